internal import CKernels
internal import Glibc

/// Swin Transformer (Liu et al. 2021, arXiv:2103.14030) with one LayerNorm per output. Twin: `backbones/swin.py`.
struct Swin: Sendable {
    let embedding: Convolution
    let embeddingNorm: LayerNorm
    let mergings: [PatchMerging]
    let stages: [[SwinBlock]]
    let norms: [LayerNorm]
    let channels: [Int]

    static func sizes(_ backbone: NetworkConfiguration.Backbone) -> (dim: Int, depths: [Int], heads: [Int]) {
        switch backbone {
        case .swinS: (96, [2, 2, 18, 2], [3, 6, 12, 24])
        case .swinB: (128, [2, 2, 18, 2], [4, 8, 16, 32])
        default: (96, [2, 2, 6, 2], [3, 6, 12, 24])
        }
    }

    init(_ weights: Weights, _ backbone: NetworkConfiguration.Backbone, window: Int) throws(EngineError) {
        let (dim, depths, heads) = Self.sizes(backbone)
        let features = weights["features"]
        channels = (0..<4).map { dim << $0 }
        embedding = try Convolution(
            features[0][0], inputs: 3, outputs: dim, kernel: 4, stride: 4, padding: 0, hasBias: true)
        embeddingNorm = try LayerNorm(features[0][2], channels: dim)
        var mergings: [PatchMerging] = []
        var stages: [[SwinBlock]] = []
        var norms: [LayerNorm] = []
        for stage in 0..<4 {
            if stage > 0 { mergings.append(try PatchMerging(features[2 * stage], channels: channels[stage - 1])) }
            var blocks: [SwinBlock] = []
            for i in 0..<depths[stage] {
                blocks.append(
                    try SwinBlock(
                        features[2 * stage + 1][i], channels: channels[stage], heads: heads[stage], window: window,
                        shift: i % 2 == 0 ? 0 : window / 2))
            }
            stages.append(blocks)
            norms.append(try LayerNorm(weights["norms"][stage], channels: channels[stage]))
        }
        (self.mergings, self.stages, self.norms) = (mergings, stages, norms)
    }

    /// - Parameters:
    ///   - image: `[height][width][3]`, normalised.
    ///   - maps: at strides 4, 8, 16, 32; overwritten.
    func callAsFunction(_ image: FeatureMap, into maps: Pyramid, using pass: Pass) {
        pass.scope {
            var x = pass.map(image.height / 4, image.width / 4, channels[0])
            embedding(image, into: x, using: pass)
            embeddingNorm(x.tokens, into: x.tokens, using: pass)
            for stage in 0..<4 {
                if stage > 0 {
                    let merged = pass.map(x.height / 2, x.width / 2, channels[stage])
                    mergings[stage - 1](x, into: merged, using: pass)
                    x = merged
                }
                pass.books.mark("merging")
                for block in stages[stage] { block(x, using: pass) }
                pass.books.mark("stage \(stage + 1)")
                norms[stage](x.tokens, into: maps[stage].tokens, using: pass)
            }
        }
    }
}

/// Halves the resolution: every 2x2 patch becomes one vector of twice the channels.
struct PatchMerging: Sendable {
    let norm: LayerNorm
    let reduction: Linear

    init(_ weights: Weights, channels: Int) throws(EngineError) {
        norm = try LayerNorm(weights["norm"], channels: 4 * channels)
        reduction = try Linear(weights["reduction"], inputs: 4 * channels, outputs: 2 * channels, hasBias: false)
    }

    /// - Parameters:
    ///   - x: `[height][width][channels]`, both sides even.
    ///   - y: `[height / 2][width / 2][2 channels]`; overwritten.
    func callAsFunction(_ x: FeatureMap, into y: FeatureMap, using pass: Pass) {
        let channels = x.channels
        pass.books.count(macs: y.tokens.rows * reduction.inputs * reduction.outputs)
        pass.run(y.tokens.rows, by: 64, scratch: 64 * 4 * channels) { range, scratch in
            let patches = Tensor(scratch, rows: range.count, columns: 4 * channels)
            for i in range {
                let corner = 2 * (i / y.width) * x.width + 2 * (i % y.width)
                let row = patches.row(i - range.lowerBound)
                // In this order: down the left column, then down the right one.
                for part in 0..<4 {
                    let token = corner + part % 2 * x.width + part / 2
                    memcpy(row + part * channels, x.tokens.row(token), channels * 4)
                }
            }
            norm.apply(patches, into: patches)
            reduction.apply(patches, into: y.tokens.rows(range))
        }
    }
}

/// `x + Attention(LN(x))`, then `x + MLP(LN(x))` with exact GELU.
struct SwinBlock: Sendable {
    let norm1: LayerNorm
    let attention: WindowAttention
    let norm2: LayerNorm
    let expand: Linear
    let reduce: Linear
    private static let tileRows = 64

    init(_ weights: Weights, channels: Int, heads: Int, window: Int, shift: Int) throws(EngineError) {
        norm1 = try LayerNorm(weights["norm1"], channels: channels)
        attention = try WindowAttention(weights["attn"], channels: channels, heads: heads, window: window, shift: shift)
        norm2 = try LayerNorm(weights["norm2"], channels: channels)
        expand = try Linear(weights["mlp"][0], inputs: channels, outputs: 4 * channels)
        reduce = try Linear(weights["mlp"][3], inputs: 4 * channels, outputs: channels)
    }

    /// - Parameter x: `[height][width][channels]`, in place.
    func callAsFunction(_ x: FeatureMap, using pass: Pass) {
        attention(x, norm: norm1, using: pass)
        let channels = x.channels
        pass.books.count(macs: x.tokens.rows * 8 * channels * channels)
        pass.run(x.tokens.rows, by: Self.tileRows, scratch: Self.tileRows * 5 * channels) { range, scratch in
            let rows = x.tokens.rows(range)
            let normed = Tensor(scratch, rows: range.count, columns: channels)
            let inner = Tensor(scratch + Self.tileRows * channels, rows: range.count, columns: 4 * channels)
            norm2.apply(rows, into: normed)
            expand.apply(normed, into: inner, .gelu)
            reduce.apply(inner, into: rows, accumulating: true)
        }
    }
}
