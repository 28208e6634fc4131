internal import CKernels

/// Multi-scale deformable self-attention and FFN, each followed by a residual and LayerNorm (Zhu et al. 2021,
/// arXiv:2010.04159). Twin: `hcqnet/pixel_decoder.py`, `EncoderLayer`.
///
/// Once the values of all tokens are known, every token goes its own way, so a tile of tokens passes through the whole
/// layer, up to its values for the next one, while it lies in the cache.
struct EncoderLayer: Sendable {
    /// Offsets (head, level, point, xy), then weights (head, level, point).
    let query: Linear
    let value: Linear
    let output: Linear
    let norm1: LayerNorm
    let expand: Linear
    let reduce: Linear
    let norm2: LayerNorm
    static let tileRows = 96

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        let dim = configuration.hiddenDim
        let points = configuration.heads * SamplingGeometry.levels * configuration.encoderPoints
        let attention = weights["self_attn"]
        query = try Linear(
            [(attention["sampling_offsets"], 2 * points), (attention["attention_weights"], points)], inputs: dim)
        value = try Linear(attention["value_proj"], inputs: dim, outputs: dim)
        output = try Linear(attention["output_proj"], inputs: dim, outputs: dim)
        norm1 = try LayerNorm(weights["norm1"], channels: dim)
        expand = try Linear(weights["linear1"], inputs: dim, outputs: configuration.encoderFFN)
        reduce = try Linear(weights["linear2"], inputs: configuration.encoderFFN, outputs: dim)
        norm2 = try LayerNorm(weights["norm2"], channels: dim)
    }

    /// - Parameters:
    ///   - x: `[tokens, D]`, in place.
    ///   - values: `[tokens, D]`: this layer's values of all tokens.
    ///   - next: the layer that follows, and where its values go.
    func callAsFunction(
        _ x: Tensor, values: Tensor, next: (layer: EncoderLayer, values: Tensor)?, _ tables: EncoderTables, index: Int,
        using pass: Pass
    ) {
        let (dim, rows) = (x.columns, Self.tileRows)
        pass.books.count(macs: x.rows * dim * (2 * dim + query.outputs + 2 * expand.outputs))
        pass.books.count(sampling: x.rows * dim * query.outputs / 3 / tables.geometry.pointer.pointee.heads * 4)
        let sampling = 11 * query.outputs / 3
        let scratchCount = rows * (query.outputs + 2 * dim + expand.outputs) + sampling
        pass.run(x.rows, by: rows, scratch: scratchCount) { range, scratch in
            let tokens = x.rows(range)
            let attended = Tensor(scratch, rows: range.count, columns: dim)
            let branch = Tensor(scratch + rows * dim, rows: range.count, columns: dim)
            let projected = Tensor(scratch + 2 * rows * dim, rows: range.count, columns: query.outputs)
            let inner = Tensor(projected.data + rows * query.outputs, rows: range.count, columns: expand.outputs)
            // The bias is in the tables.
            query.withoutBias.apply(tokens, into: projected)
            hcq_deform_encoder(
                values.data, values.stride, tables.geometry.pointer, projected.data, projected.stride,
                tables.rows[index].data, tables.columns[index].data, range.lowerBound, range.upperBound,
                inner.data + rows * expand.outputs, attended.data, attended.stride)
            output.apply(attended, into: branch)
            norm1.apply(branch, adding: tokens, into: tokens)
            expand.apply(tokens, into: inner, .relu)
            reduce.apply(inner, into: branch)
            norm2.apply(branch, adding: tokens, into: tokens)
            if let next { next.layer.value.apply(tokens, into: next.values.rows(range)) }
        }
    }
}
