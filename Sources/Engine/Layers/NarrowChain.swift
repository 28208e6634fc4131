internal import CKernels

/// Channels in memory: whole 64 bytes a pixel. What lies behind the channels means nothing.
func paddedChannels(_ count: Int) -> Int { (count + 15) / 16 * 16 }

extension Pass {
    /// As `map`, with the padding that layers of narrow chains want.
    func paddedMap(_ height: Int, _ width: Int, _ channels: Int) -> FeatureMap {
        map(height, width, paddedChannels(channels)).columns(0..<channels)
    }
}

extension WeightMemory {
    /// A copy with zeros behind it, up to a multiple of 32.
    fileprivate func keepPadded(_ values: [Float]) -> UnsafePointer<Float> {
        let count = (values.count + 31) / 32 * 32
        let room = room(for: count)
        for i in 0..<count { room[i] = i < values.count ? values[i] : 0 }
        return UnsafePointer(room)
    }

    /// A matrix `[columns, depth]` as `hcq_gemm_pack` makes it.
    fileprivate func keepPacked(_ matrix: [Float], columns: Int) -> UnsafePointer<Float> {
        let depth = matrix.count / columns
        var size = 0
        hcq_gemm_size(columns, depth, &size)
        let room = room(for: size)
        hcq_gemm_pack(matrix, depth, columns, depth, room)
        return UnsafePointer(room)
    }
}

/// 1x1 convolutions with biases that read the same narrow map, as one; each one's outputs begin at a multiple of 16.
struct NarrowProduct: @unchecked Sendable {
    let inputs: Int
    /// The channel at which each convolution's outputs begin, and the one behind all.
    let starts: [Int]
    /// Multiply-accumulates for a position.
    let macs: Int
    private let packed: UnsafePointer<Float>
    private let bias: UnsafePointer<Float>

    init(_ weights: [(Weights, outputs: Int)], inputs: Int) throws(EngineError) {
        var (matrix, vector, starts): ([Float], [Float], [Int]) = ([], [], [0])
        var macs = 0
        for (weights, outputs) in weights {
            let spare = paddedChannels(outputs) - outputs
            matrix += try weights.values("weight", [outputs, inputs, 1, 1], .uniform((6 / Float(inputs)).squareRoot()))
            matrix += [Float](repeating: 0, count: spare * inputs)
            vector += try weights.values("bias", [outputs], .zeros) + [Float](repeating: 0, count: spare)
            starts.append(vector.count)
            macs += inputs * outputs
        }
        (self.inputs, self.starts, self.macs) = (inputs, starts, macs)
        packed = weights[0].0.memory.keepPacked(matrix, columns: vector.count)
        bias = weights[0].0.memory.keepPadded(vector)
    }

    /// All channels in memory.
    var outputs: Int { starts[starts.count - 1] }

    /// On the caller's thread.
    /// - Parameters:
    ///   - x: `[n, inputs]`.
    ///   - y: `[n, outputs]`; overwritten.
    func apply(_ x: Tensor, into y: Tensor, _ activation: Activation = .none) {
        precondition(activation == .none || activation == .relu)
        hcq_narrow(x.data, x.stride, x.rows, inputs, packed, bias, outputs, activation.rawValue, y.data, y.stride)
    }
}

/// Depthwise 3x3 and 1x1 convolution with biases, nothing between them; in a shuffle block a 1x1 with ReLU before.
/// Twin: `lite_hrnet.py`, `Separable` and `ShuffleBlock`.
struct NarrowChain: @unchecked Sendable {
    private let facts: hcq_chain
    let inputs: Int
    let outputs: Int
    let stride: Int
    /// Multiply-accumulates for an output position.
    let macs: Int

    init(
        expand: Weights? = nil, depthwise: Weights, project: Weights, inputs: Int, outputs: Int, stride: Int = 1
    ) throws(EngineError) {
        (self.inputs, self.outputs, self.stride) = (inputs, outputs, stride)
        macs = (expand == nil ? 0 : inputs * inputs) + 9 * inputs + inputs * outputs
        let (memory, bound) = (depthwise.memory, (6 / Float(inputs)).squareRoot())
        var facts = hcq_chain()
        (facts.inputs, facts.outputs, facts.stride) = (inputs, outputs, stride)
        if let expand {
            let matrix = try expand.values("weight", [inputs, inputs, 1, 1], .uniform(bound))
            facts.expand = memory.keepPacked(matrix, columns: inputs)
            facts.expand_bias = memory.keepPadded(try expand.values("bias", [inputs], .zeros))
        }
        let stored = try depthwise.values("weight", [inputs, 1, 3, 3], .uniform((6 / Float(9)).squareRoot()))
        facts.ldw = (inputs + 31) / 32 * 32
        var taps = [Float](repeating: 0, count: 9 * facts.ldw)
        for c in 0..<inputs {
            for k in 0..<9 { taps[k * facts.ldw + c] = stored[9 * c + k] }
        }
        facts.depthwise = memory.keepPadded(taps)
        facts.depthwise_bias = memory.keepPadded(try depthwise.values("bias", [inputs], .zeros))
        let matrix = try project.values("weight", [outputs, inputs, 1, 1], .uniform(bound))
        facts.project = memory.keepPacked(matrix, columns: outputs)
        facts.project_bias = memory.keepPadded(try project.values("bias", [outputs], .zeros))
        self.facts = facts
    }

    init(_ weights: Weights, inputs: Int, outputs: Int, stride: Int = 1) throws(EngineError) {
        try self.init(
            depthwise: weights["depthwise"], project: weights["pointwise"], inputs: inputs, outputs: outputs,
            stride: stride)
    }

    /// Floats of scratch memory for an input of this size.
    func scratch(_ x: FeatureMap) -> Int {
        facts.expand == nil
            ? x.width * x.tokens.stride + (x.width + stride - 1) / stride * paddedChannels(inputs)
            : 5 * x.width * ((inputs + 31) / 32 * 32)
    }

    /// The whole map, cut into bands of `rows`.
    func callAsFunction(
        _ x: FeatureMap, into y: FeatureMap, _ activation: Activation = .none, rows: Int, using pass: Pass
    ) {
        pass.books.count(macs: y.height * y.width * macs)
        pass.run(y.height, by: rows, scratch: scratch(x)) { range, scratch in
            separable(x, into: y, rows: range, activation, scratch)
        }
    }

    /// On the caller's thread, some rows.
    /// - Parameters:
    ///   - x: `[height][width][inputs]`, padded.
    ///   - y: `[ceil(height / stride)][ceil(width / stride)][outputs]`, padded; overwritten, or what the result is added to
    ///     when `accumulating`.
    func separable(
        _ x: FeatureMap, into y: FeatureMap, rows: Range<Int>, _ activation: Activation = .none,
        accumulating: Bool = false, _ scratch: UnsafeMutablePointer<Float>
    ) {
        precondition(x.channels == inputs && y.channels == outputs && activation.rawValue < 2)
        withUnsafePointer(to: facts) {
            hcq_separable(
                $0, x.tokens.data, x.tokens.stride, x.height, x.width, rows.lowerBound, rows.upperBound,
                accumulating ? 1 : 0, activation.rawValue, scratch, y.tokens.data, y.tokens.stride)
        }
    }

    /// On the caller's thread, some rows of a shuffle block: the second half of the channels through the chain with ReLU at
    /// both ends, then the halves in turns.
    /// - Parameters:
    ///   - x: `[height][width][2 inputs]`, padded.
    ///   - y: as x; overwritten, not `x`.
    func shuffleBlock(
        _ x: FeatureMap, into y: FeatureMap, rows: Range<Int>, _ scratch: UnsafeMutablePointer<Float>
    ) {
        precondition(x.channels == 2 * inputs && facts.expand != nil)
        withUnsafePointer(to: facts) {
            hcq_shuffle_block(
                $0, x.tokens.data, x.tokens.stride, x.height, x.width, rows.lowerBound, rows.upperBound, scratch,
                y.tokens.data, y.tokens.stride)
        }
    }
}
