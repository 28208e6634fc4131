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
        let stored = try weights.values("weight", [channels, 1, kernel, kernel], .uniform((6 / Float(area)).squareRoot()))
        var matrix = [Float](repeating: 0, count: stored.count)
        for c in 0..<channels {
            for k in 0..<area { matrix[k * channels + c] = stored[c * area + k] }
        }
        weight = weights.memory.keep(matrix, rows: area, columns: channels)
        let zeros = [Float](repeating: 0, count: channels)
        bias = weights.memory.keep(hasBias ? try weights.values("bias", [channels], .zeros) : zeros, rows: 1, columns: channels)
    }

    /// - Parameters:
    ///   - x: `[height][width][channels]`.
    ///   - y: `[ceil(height / stride)][ceil(width / stride)][channels]`; overwritten, not `x`.
    func callAsFunction(_ x: FeatureMap, into y: FeatureMap, _ activation: Activation = .none, using pass: Pass) {
        precondition(activation == .none || activation == .hardSwish)
        precondition(y.height == (x.height + stride - 1) / stride && y.width == (x.width + stride - 1) / stride)
        pass.books.count(macs: y.tokens.count * kernel * kernel)
        pass.run(y.tokens.rows, by: 128) { range, _ in
            hcq_depthwise(
                x.tokens.data, x.tokens.stride, x.height, x.width, x.channels, kernel, stride, y.width,
                range.lowerBound, range.upperBound, weight.data, bias.data, activation.rawValue, y.tokens.data,
                y.tokens.stride)
        }
    }
}

/// Depthwise 5x5 and 1x1 convolution, hard swish after each. Twin: `esnet_pan.py`, `SeparableBlock`.
struct SeparableBlock: Sendable {
    let depthwise: DepthwiseConvolution
    let pointwise: Convolution

    init(_ weights: Weights, channels: Int, stride: Int = 1) throws(EngineError) {
        depthwise = try DepthwiseConvolution(weights["depthwise"], channels: channels, kernel: 5, stride: stride)
        pointwise = try Convolution(weights["pointwise"], inputs: channels, outputs: channels, hasBias: true)
    }

    /// - Parameters:
    ///   - x: `[height][width][channels]`.
    ///   - y: `[ceil(height / stride)][ceil(width / stride)][channels]`; overwritten, may be `x` for stride 1.
    func callAsFunction(_ x: FeatureMap, into y: FeatureMap, using pass: Pass) {
        pass.scope {
            let inner = pass.map(y.height, y.width, x.channels)
            depthwise(x, into: inner, .hardSwish, using: pass)
            pointwise(inner, into: y, .hardSwish, using: pass)
        }
    }
}
