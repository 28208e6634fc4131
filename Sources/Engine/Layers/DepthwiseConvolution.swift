internal import CKernels

/// One kernel x kernel filter per channel, padding kernel / 2. Twin: `torch.nn.Conv2d` with `groups = channels`.
struct DepthwiseConvolution: Sendable {
    /// `[kernel²][channels]`.
    let weight: Tensor
    /// `[1, channels]`.
    let bias: Tensor
    let kernel: Int
    let stride: Int

    init(
        _ weights: Weights, channels: Int, kernel: Int, stride: Int = 1, hasBias: Bool = true
    ) throws(EngineError) {
        (self.kernel, self.stride) = (kernel, stride)
        let area = kernel * kernel
        let stored = try weights.values(
            "weight", [channels, 1, kernel, kernel], .uniform((6 / Float(area)).squareRoot()))
        var matrix = [Float](repeating: 0, count: stored.count)
        for c in 0..<channels {
            for k in 0..<area { matrix[k * channels + c] = stored[c * area + k] }
        }
        weight = weights.memory.keep(matrix, rows: area, columns: channels)
        let zeros = [Float](repeating: 0, count: channels)
        bias = weights.memory.keep(
            hasBias ? try weights.values("bias", [channels], .zeros) : zeros, rows: 1, columns: channels)
    }

    /// - Parameters:
    ///   - x: `[height][width][channels]`.
    ///   - y: `[ceil(height / stride)][ceil(width / stride)][channels]`; overwritten, not `x`.
    func callAsFunction(_ x: FeatureMap, into y: FeatureMap, _ activation: Activation = .none, using pass: Pass) {
        precondition(activation == .none || activation == .hardSwish)
        precondition(y.height == (x.height + stride - 1) / stride && y.width == (x.width + stride - 1) / stride)
        count(y.tokens, using: pass)
        pass.run(y.tokens.rows, by: Linear.tileRows(y.tokens.rows)) { range, _ in
            apply(x, range, into: y.tokens.rows(range), activation)
        }
    }

    func count(_ y: Tensor, using pass: Pass) { pass.books.count(macs: y.count * kernel * kernel) }

    /// On the caller's thread, some of the output's positions.
    /// - Parameter y: `[positions of the range, channels]`; overwritten.
    func apply(_ x: FeatureMap, _ range: Range<Int>, into y: Tensor, _ activation: Activation = .none) {
        let outWidth = (x.width + stride - 1) / stride
        hcq_depthwise(
            x.tokens.data, x.tokens.stride, x.height, x.width, x.channels, kernel, stride, outWidth, range.lowerBound,
            range.upperBound, weight.data, bias.data, activation.rawValue, y.data - range.lowerBound * y.stride,
            y.stride)
    }
}

/// A depthwise convolution and the 1x1 convolution after it, tile by tile, so that what lies between never leaves the cache.
struct DepthwiseSeparable: Sendable {
    let depthwise: DepthwiseConvolution
    let between: Activation
    let pointwise: Linear
    let after: Activation

    /// Floats that `apply` needs for so many positions.
    func scratch(_ positions: Int) -> Int { positions * pointwise.inputs }

    /// - Parameters:
    ///   - x: `[height][width][channels]`.
    ///   - y: `[ceil(height / stride)][ceil(width / stride)][outputs]`; overwritten, not `x`.
    func callAsFunction(_ x: FeatureMap, into y: FeatureMap, using pass: Pass) {
        count(y.tokens, using: pass)
        let rows = Linear.tileRows(y.tokens.rows)
        pass.run(y.tokens.rows, by: rows, scratch: scratch(rows)) { range, scratch in
            apply(x, range, into: y.tokens.rows(range), scratch: scratch)
        }
    }

    func count(_ y: Tensor, using pass: Pass) {
        pass.books.count(macs: y.rows * pointwise.inputs * (depthwise.kernel * depthwise.kernel + pointwise.outputs))
    }

    /// On the caller's thread, some of the output's positions.
    /// - Parameter y: `[positions of the range, outputs]`; overwritten.
    func apply(_ x: FeatureMap, _ range: Range<Int>, into y: Tensor, scratch: UnsafeMutablePointer<Float>) {
        let inner = Tensor(scratch, rows: range.count, columns: pointwise.inputs)
        depthwise.apply(x, range, into: inner, between)
        pointwise.apply(inner, into: y, after)
    }
}

extension DepthwiseSeparable {
    /// Depthwise 5x5 and 1x1 convolution, hard swish after each. Twin: `esnet_pan.py`, `SeparableBlock`.
    init(_ weights: Weights, channels: Int, stride: Int = 1) throws(EngineError) {
        depthwise = try DepthwiseConvolution(weights["depthwise"], channels: channels, kernel: 5, stride: stride)
        pointwise = try Convolution(weights["pointwise"], inputs: channels, outputs: channels, hasBias: true).linear
        (between, after) = (.hardSwish, .hardSwish)
    }
}
