internal import CKernels

/// Self-attention, deformable attention with keypoints and FFN, each followed by a residual and LayerNorm.
/// Twin: `hcqnet/decoder.py`, `DecoderLayer`.
struct DecoderLayer: Sendable {
    let selfAttention: SelfAttention
    let norm1: LayerNorm
    let crossAttention: KeypointAttention
    let norm2: LayerNorm
    let expand: Linear
    let reduce: Linear
    let norm3: LayerNorm

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        let dim = configuration.hiddenDim
        selfAttention = try SelfAttention(weights["self_attn"], dim: dim, heads: configuration.heads)
        norm1 = try LayerNorm(weights["norm1"], channels: dim)
        crossAttention = try KeypointAttention(weights["cross_attn"], configuration)
        norm2 = try LayerNorm(weights["norm2"], channels: dim)
        expand = try Linear(weights["linear1"], inputs: dim, outputs: configuration.decoderFFN)
        reduce = try Linear(weights["linear2"], inputs: configuration.decoderFFN, outputs: dim)
        norm3 = try LayerNorm(weights["norm3"], channels: dim)
    }

    /// - Parameters:
    ///   - queries: E, `[Q, D]`, in place; P, K and the joints are read.
    func callAsFunction(_ queries: Queries, _ features: Features, _ geometry: SamplingGeometry, using pass: Pass) {
        let x = queries.embedding
        pass.scope {
            let positioned = pass.tensor(x.rows, x.columns)
            let branch = pass.tensor(x.rows, x.columns)
            let inner = pass.tensor(x.rows, expand.outputs)

            pass.run(1) { _, _ in hcq_add(x.data, queries.position.data, positioned.data, x.count) }
            selfAttention(query: positioned, x, into: branch, using: pass)
            norm1(branch, adding: x, into: x, using: pass)
            pass.books.mark("self-attention")

            pass.run(1) { _, _ in hcq_add(x.data, queries.position.data, positioned.data, x.count) }
            crossAttention(
                positioned, keys: queries.keys, joints: queries.joints, features, geometry, into: branch, using: pass)
            norm2(branch, adding: x, into: x, using: pass)
            pass.books.mark("cross-attention")

            expand(x, into: inner, .relu, using: pass)
            reduce(inner, into: branch, using: pass)
            norm3(branch, adding: x, into: x, using: pass)
            pass.books.mark("FFN")
        }
    }
}
