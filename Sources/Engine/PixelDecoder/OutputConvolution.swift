/// The pixel decoder's convolution at stride 4, normalised, ReLU: one 3x3, or some of depthwise 3x3 and 1x1.
/// Twin: `hcqnet/pixel_decoder.py`, `_output`.
enum OutputConvolution: Sendable {
    case dense(Convolution, GroupNorm)
    case separable([(depthwise: DepthwiseConvolution, pointwise: Convolution, norm: GroupNorm)])

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        let dim = configuration.hiddenDim
        if configuration.outputConvolution == .dense {
            self = .dense(
                try Convolution(weights[0], inputs: dim, outputs: dim, kernel: 3), try GroupNorm(weights[1], channels: dim))
            return
        }
        var layers: [(depthwise: DepthwiseConvolution, pointwise: Convolution, norm: GroupNorm)] = []
        for i in 0..<configuration.outputLayers {
            layers.append(
                (
                    try DepthwiseConvolution(weights[i]["depthwise"], channels: dim, kernel: 3, hasBias: false),
                    try Convolution(weights[i]["pointwise"], inputs: dim, outputs: dim),
                    try GroupNorm(weights[i]["norm"], channels: dim)
                ))
        }
        self = .separable(layers)
    }

    /// - Parameters:
    ///   - x: `[height][width][D]`; overwritten.
    ///   - y: as x; overwritten.
    func callAsFunction(_ x: FeatureMap, into y: FeatureMap, using pass: Pass) {
        switch self {
        case .dense(let convolution, let norm):
            convolution(x, into: y, using: pass)
            norm(y.tokens, into: y.tokens, .relu, using: pass)
        case .separable(let layers):
            for (i, layer) in layers.enumerated() {
                layer.depthwise(i == 0 ? x : y, into: i == 0 ? y : x, using: pass)
                // Where the depthwise result is: y for the first layer, x for the others; the other one is free.
                layer.pointwise(i == 0 ? y : x, into: i == 0 ? x : y, using: pass)
                layer.norm(i == 0 ? x.tokens : y.tokens, into: y.tokens, .relu, using: pass)
            }
        }
    }
}
