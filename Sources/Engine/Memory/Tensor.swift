/// A matrix of float32 somewhere in a workspace or among the weights: the address and the shape, not the owner.
///
/// Activations are token-major: a row holds the channels of one position or query, so that a linear layer and a 1x1
/// convolution are one matrix product and every other loop runs along contiguous channels.
struct Tensor: @unchecked Sendable {
    let data: UnsafeMutablePointer<Float>
    let rows: Int
    let columns: Int
    /// Floats from one row to the next.
    let stride: Int

    init(_ data: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
        self.data = data
        self.rows = rows
        self.columns = columns
        self.stride = stride ?? columns
    }

    /// Number of elements.
    var count: Int { rows * columns }

    /// Address of a row.
    func row(_ index: Int) -> UnsafeMutablePointer<Float> { data + index * stride }

    /// Some of the rows.
    func rows(_ range: Range<Int>) -> Tensor {
        Tensor(data + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
    }

    /// Some of the columns.
    func columns(_ range: Range<Int>) -> Tensor {
        Tensor(data + range.lowerBound, rows: rows, columns: range.count, stride: stride)
    }
}

/// A picture of channels, `[height][width][channels]`.
struct FeatureMap: Sendable {
    let height: Int
    let width: Int
    /// `[height * width, channels]`.
    let tokens: Tensor

    init(_ tokens: Tensor, height: Int, width: Int) {
        precondition(tokens.rows == height * width)
        self.tokens = tokens
        self.height = height
        self.width = width
    }

    var channels: Int { tokens.columns }

    /// Some of the channels.
    func columns(_ range: Range<Int>) -> FeatureMap {
        FeatureMap(tokens.columns(range), height: height, width: width)
    }
}

/// What happens to a number after a linear layer; the raw values are those of `activate` in CKernels.
enum Activation: Int32, Sendable {
    case none, relu, gelu, hardSwish, hardSigmoid
}
