internal import CKernels

/// Deformable attention with keypoints (section 3.4). Twin: `hcqnet/decoder.py`, `KeypointAttention`.
///
/// Of each head's points the first `jointPoints` are joints, the others box centre + offset. Sampling and the weighted sum
/// are linear, so whole tokens are sampled first and only the sums are projected: Q x heads vectors instead of every token.
struct KeypointAttention: Sendable {
    /// Offsets (head, level, point, xy), then weights (head, level, point).
    let query: Linear
    /// Of every head, its share of the outputs.
    let values: [Linear]
    /// `[1, D]`.
    let valueBias: Tensor
    let output: Linear
    let heads: Int
    let jointPoints: Int

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        let dim = configuration.hiddenDim
        heads = configuration.heads
        jointPoints = configuration.jointPoints
        let sets = heads * SamplingGeometry.levels
        query = try Linear(
            [
                (weights["sampling_offsets"], sets * (configuration.points - jointPoints) * 2),
                (weights["attention_weights"], sets * configuration.points),
            ], inputs: dim)
        let value = weights["value_proj"]
        let matrix = try value.values("weight", [dim, dim], .uniform((3 / Float(dim)).squareRoot()))
        let share = matrix.count / heads
        values = (0..<configuration.heads).map {
            Linear(Array(matrix[$0 * share..<($0 + 1) * share]), bias: nil, inputs: dim, keptIn: value.memory)
        }
        valueBias = value.memory.keep(try value.values("bias", [dim], .zeros), rows: 1, columns: dim)
        output = try Linear(weights["output_proj"], inputs: dim, outputs: dim)
    }

    /// - Parameters:
    ///   - x: Q = E + P, `[Q, D]`.
    ///   - keys: K, `[Q, key_dim]`.
    ///   - joints: in image space, `[Q, 2 joints]`.
    ///   - y: `[Q, D]`; overwritten.
    func callAsFunction(
        _ x: Tensor, keys: Tensor, joints: Tensor, _ features: Features, _ geometry: SamplingGeometry, into y: Tensor,
        using pass: Pass
    ) {
        let (count, dim) = (x.rows, x.columns)
        let size = dim / heads
        pass.books.count(macs: features.tokens.rows * dim * dim)
        pass.books.count(sampling: count * dim * geometry.pointer.pointee.count / heads * 4)
        pass.scope {
            let projected = pass.tensor(count, query.outputs)
            let sampled = pass.tensor(count, heads * dim)
            let share = pass.tensor(count, heads)
            let attended = pass.tensor(count, dim)
            query(x, into: projected, using: pass)
            pass.run(count, by: 8, scratch: 11 * geometry.pointer.pointee.count) { range, scratch in
                hcq_deform_queries(
                    features.tokens.data, features.tokens.stride, geometry.pointer, projected.data, projected.stride,
                    jointPoints, keys.data, keys.stride, joints.data, joints.stride, range.lowerBound, range.upperBound,
                    scratch, sampled.data, share.data)
            }
            pass.run(heads) { head, _ in
                values[head].apply(
                    sampled.columns(head * dim..<(head + 1) * dim),
                    into: attended.columns(head * size..<(head + 1) * size))
                addBias(head, share, to: attended)
            }
            output(attended, into: y, using: pass)
        }
    }

    /// Zero padding has no bias: it counts with the share of the weights that lies inside the maps.
    private func addBias(_ head: Int, _ share: Tensor, to attended: Tensor) {
        let size = attended.columns / heads
        for q in 0..<attended.rows {
            let row = attended.row(q)
            let weight = share.row(q)[head]
            for c in head * size..<(head + 1) * size { row[c] += weight * valueBias.data[c] }
        }
    }
}
