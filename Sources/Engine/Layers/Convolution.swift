internal import CKernels

/// A convolution over `[height][width][channels]` maps with whatever follows it element by element.
///
/// A 1x1 convolution is a linear layer on the positions; a 3x3 one of stride 1 goes by Winograd's F(4x4, 3x3) where it saves
/// work and its fourfold weights stay small; any other multiplies patches that are gathered tile by tile.
/// Twin: `torch.nn.Conv2d`.
struct Convolution: @unchecked Sendable {
    private enum Method {
        /// Weights as `[outputs][kernel y][kernel x][inputs]`.
        case patches(Linear)
        /// The transformed weights.
        case winograd(UnsafePointer<Float>, bias: Tensor?)
    }

    private let method: Method
    /// Watches the input while a network is calibrated.
    private let watched: InputRange?
    let inputs: Int
    let outputs: Int
    let kernel: Int
    let stride: Int
    let padding: Int

    /// - Parameter normalised: where the BatchNorm lies that is folded in.
    init(
        _ weights: Weights, inputs: Int, outputs: Int, kernel: Int = 1, stride: Int = 1, padding: Int? = nil,
        hasBias: Bool = false, normalised: Weights? = nil
    ) throws(EngineError) {
        (self.inputs, self.outputs, self.kernel, self.stride) = (inputs, outputs, kernel, stride)
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
                for k in 0..<area {
                    matrix[(o * area + k) * inputs + i] = stored[(o * inputs + i) * area + k] * scale[o]
                }
            }
        }
        let input = inputs < 16 ? nil : try weights.inputScale()
        watched = inputs < 16 ? nil : weights.watch()
        if kernel == 3 && stride == 1 && self.padding == 1 && input == nil && Self.winogradPays(inputs, outputs) {
            var size = 0
            hcq_gemm_size(outputs, inputs, &size)
            let room = weights.memory.room(for: 36 * size)
            hcq_winograd_pack(matrix, outputs, inputs, room)
            method = .winograd(
                UnsafePointer(room), bias: bias.map { weights.memory.keep($0, rows: 1, columns: outputs) })
        } else {
            method = .patches(
                Linear(
                    matrix, bias: bias, inputs: area * inputs, keptIn: weights.memory, input: input,
                    watched: kernel == 1 && stride == 1 ? watched : nil))
        }
    }

    /// The layer that a 1x1 convolution is.
    var linear: Linear {
        guard case .patches(let linear) = method, kernel == 1, stride == 1 else {
            preconditionFailure("only a 1x1 convolution of stride 1 is a linear layer")
        }
        return linear
    }

    /// The kernels want whole registers of channels; from 512 channels on the weights outgrow the caches and the memory.
    private static func winogradPays(_ inputs: Int, _ outputs: Int) -> Bool {
        inputs % 16 == 0 && outputs % 16 == 0 && inputs >= 32 && inputs * outputs <= 65_536
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
        precondition(outputSize(x) == (y.height, y.width) && x.channels == inputs && y.channels == outputs)
        if case .patches(let linear) = method, kernel == 1, stride == 1 {
            linear(x.tokens, into: y.tokens, activation, accumulating: accumulating, using: pass)
            return
        }
        precondition(kernel == 1 || x.tokens.stride == inputs)
        pass.books.count(macs: y.tokens.count * kernel * kernel * inputs)
        if !pass.isPlan { watched?.observe(x.tokens) }
        switch method {
        case .patches(let linear):
            let product = linear.product(x.tokens, into: y.tokens, activation, accumulating: accumulating)
                .gathering(x, kernel: kernel, stride: stride, padding: padding, outWidth: y.width)
            let (tileRows, tileColumns) = Linear.tile(rows: y.tokens.rows, columns: outputs)
            let across = (outputs + tileColumns - 1) / tileColumns
            pass.run((y.tokens.rows + tileRows - 1) / tileRows * across) { tile, _ in
                let (row, column) = (tile / across * tileRows, tile % across * tileColumns)
                product.compute(
                    rows: row..<min(row + tileRows, y.tokens.rows), columns: column..<min(column + tileColumns, outputs)
                )
            }
        case .winograd(let packed, let bias):
            var facts = hcq_product()
            (facts.x, facts.ldx) = (UnsafePointer(x.tokens.data), x.tokens.stride)
            (facts.height, facts.width, facts.channels) = (x.height, x.width, inputs)
            (facts.columns, facts.packed) = (outputs, packed)
            facts.bias = bias.map { UnsafePointer($0.data) }
            if accumulating { (facts.residual, facts.ldr) = (UnsafePointer(y.tokens.data), y.tokens.stride) }
            (facts.y, facts.ldy, facts.activation) = (y.tokens.data, y.tokens.stride, activation.rawValue)
            Winograd(facts)(using: pass)
        }
    }
}
