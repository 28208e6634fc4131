/// The pixel decoder's convolution at stride 4, normalised, ReLU: one 3x3, or some of depthwise 3x3 and 1x1.
/// Twin: `hcqnet/pixel_decoder.py`, `_output`.
enum OutputConvolution: Sendable {
    case dense(Convolution, GroupNorm)
    case separable([(convolution: DepthwiseSeparable, norm: GroupNorm)])

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        let dim = configuration.hiddenDim
        if configuration.outputConvolution == .dense {
            self = .dense(
                try Convolution(weights[0], inputs: dim, outputs: dim, kernel: 3),
                try GroupNorm(weights[1], channels: dim))
            return
        }
        var layers: [(convolution: DepthwiseSeparable, norm: GroupNorm)] = []
        for i in 0..<configuration.outputLayers {
            layers.append(
                (
                    DepthwiseSeparable(
                        depthwise: try DepthwiseConvolution(
                            weights[i]["depthwise"], channels: dim, kernel: 3, hasBias: false),
                        between: .none,
                        pointwise: try Convolution(weights[i]["pointwise"], inputs: dim, outputs: dim).linear,
                        after: .none),
                    try GroupNorm(weights[i]["norm"], channels: dim)
                ))
        }
        self = .separable(layers)
    }

    /// How often the map goes from one place to the other.
    var layerCount: Int {
        switch self {
        case .dense: 1
        case .separable(let layers): layers.count
        }
    }

    /// - Parameters:
    ///   - x: `[height][width][D]`; overwritten, with the result where `layerCount` is even.
    ///   - y: as x; overwritten, with the result where it is odd.
    func callAsFunction(_ x: FeatureMap, _ y: FeatureMap, using pass: Pass) {
        switch self {
        case .dense(let convolution, let norm):
            convolution(x, into: y, using: pass)
            norm(y.tokens, into: y.tokens, .relu, using: pass)
        case .separable(let layers):
            let scratch = layers[0].convolution.scratch(Linear.tileRows(x.tokens.rows))
            var (from, to) = (x, y)
            for (convolution, norm) in layers {
                convolution.count(to.tokens, using: pass)
                let (source, target) = (from, to)
                norm(to.tokens, into: to.tokens, .relu, scratch: scratch, using: pass) { range, scratch in
                    convolution.apply(source, range, into: target.tokens.rows(range), scratch: scratch)
                }
                swap(&from, &to)
            }
        }
    }
}
