internal import CKernels

/// A convolution over `[height][width][channels]` maps with whatever follows it element by element.
///
/// A 1x1 convolution is a linear layer on the positions; any other lays out patches of a tile of positions and multiplies
/// them. Twin: `torch.nn.Conv2d`, the weights stored as `[outputs][kernel y][kernel x][inputs]`.
struct Convolution: Sendable {
    let linear: Linear
    let inputs: Int
    let kernel: Int
    let stride: Int
    let padding: Int

    var outputs: Int { linear.outputs }

    /// - Parameter normalised: where the BatchNorm lies that is folded in.
    init(
        _ weights: Weights, inputs: Int, outputs: Int, kernel: Int = 1, stride: Int = 1, padding: Int? = nil,
        hasBias: Bool = false, normalised: Weights? = nil
    ) throws(EngineError) {
        (self.inputs, self.kernel, self.stride) = (inputs, kernel, stride)
        self.padding = padding ?? kernel / 2
        let area = kernel * kernel
        let bound = (6 / Float(inputs * area)).squareRoot()
        let stored = try weights.values("weight", [outputs, inputs, kernel, kernel], .uniform(bound))
        var bias = hasBias ? try weights.values("bias", [outputs], .zeros) : nil
        var scale = [Float](repeating: 1, count: outputs)
        if let normalised { (scale, bias) = try Self.fold(normalised, outputs) }
        var matrix = [Float](repeating: 0, count: stored.count)
        for o in 0..<outputs {
            for i in 0..<inputs {
                for k in 0..<area { matrix[(o * area + k) * inputs + i] = stored[(o * inputs + i) * area + k] * scale[o] }
            }
        }
        linear = Linear(
            weight: weights.memory.keep(matrix, rows: outputs, columns: area * inputs),
            bias: bias.map { weights.memory.keep($0, rows: 1, columns: outputs) })
    }

    /// BatchNorm as a scale and a shift: `y = (x - mean) / sqrt(variance + 1e-5) * gamma + beta`.
    private static func fold(_ weights: Weights, _ channels: Int) throws(EngineError) -> ([Float], [Float]) {
        let gamma = try weights.values("weight", [channels], .ones)
        let beta = try weights.values("bias", [channels], .zeros)
        let mean = try weights.values("running_mean", [channels], .zeros, isParameter: false)
        let variance = try weights.values("running_var", [channels], .ones, isParameter: false)
        let scale = (0..<channels).map { Float(Double(gamma[$0]) / (Double(variance[$0]) + 1e-5).squareRoot()) }
        return (scale, (0..<channels).map { Float(Double(beta[$0]) - Double(mean[$0]) * Double(scale[$0])) })
    }

    func outputSize(_ x: FeatureMap) -> (height: Int, width: Int) {
        ((x.height + 2 * padding - kernel) / stride + 1, (x.width + 2 * padding - kernel) / stride + 1)
    }

    /// - Parameters:
    ///   - x: `[height][width][inputs]`.
    ///   - y: of `outputSize`; overwritten, or what the product is added to when `accumulating`.
    func callAsFunction(
        _ x: FeatureMap, into y: FeatureMap, _ activation: Activation = .none, accumulating: Bool = false,
        using pass: Pass
    ) {
        if kernel == 1 && stride == 1 {
            linear(x.tokens, into: y.tokens, activation, accumulating: accumulating, using: pass)
            return
        }
        precondition(outputSize(x) == (y.height, y.width) && x.channels == inputs && x.tokens.stride == inputs)
        pass.books.count(macs: y.tokens.count * linear.inputs)
        let depth = linear.inputs
        let tileRows = Self.tileRows(positions: y.tokens.rows, depth: depth)
        pass.run(y.tokens.rows, by: tileRows, scratch: tileRows * depth) { range, scratch in
            hcq_patches(
                x.tokens.data, x.height, x.width, inputs, kernel, stride, padding, y.width, range.lowerBound,
                range.upperBound, scratch, depth)
            linear.apply(
                Tensor(scratch, rows: range.count, columns: depth), into: y.tokens.rows(range), activation,
                accumulating: accumulating)
        }
    }

    /// Patches of a tile stay in the second-level cache; small maps are cut finer so that every core has some.
    private static func tileRows(positions: Int, depth: Int) -> Int {
        let fitting = max(16, min(128, 196_608 / depth / 8 * 8))
        return max(16, min(fitting, (positions / 16 + 7) / 8 * 8))
    }
}
