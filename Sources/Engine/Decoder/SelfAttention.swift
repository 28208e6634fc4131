internal import CKernels

/// Multi-head attention among the queries, `q = k = E + P`, `v = E`. Twin: `hcqnet/layers.py`, `SelfAttention`.
struct SelfAttention: Sendable {
    /// q, then k.
    let queryKey: Linear
    let value: Linear
    let output: Linear
    let heads: Int

    init(_ weights: Weights, dim: Int, heads: Int) throws(EngineError) {
        self.heads = heads
        queryKey = try Linear([(weights["q"], dim), (weights["k"], dim)], inputs: dim)
        value = try Linear(weights["v"], inputs: dim, outputs: dim)
        output = try Linear(weights["out"], inputs: dim, outputs: dim)
    }

    /// - Parameters:
    ///   - query: E + P, `[Q, D]`.
    ///   - x: E, `[Q, D]`.
    ///   - y: `[Q, D]`; overwritten.
    func callAsFunction(query: Tensor, _ x: Tensor, into y: Tensor, using pass: Pass) {
        let (count, dim) = (x.rows, x.columns)
        let size = dim / heads
        pass.scope {
            let projected = pass.tensor(count, 2 * dim)
            let values = pass.tensor(count, dim)
            let attended = pass.tensor(count, dim)
            queryKey(query, into: projected, using: pass)
            value(x, into: values, using: pass)
            pass.books.count(macs: 2 * count * count * dim)
            pass.run(heads, scratch: count * count) { head, scores in
                let q = projected.data + head * size
                BLAS.multiply(
                    rows: count, columns: count, depth: size, q, projected.stride, transposed: q + dim,
                    projected.stride, into: scores, count)
                hcq_softmax(scores, count, count, count, 1 / Float(size).squareRoot(), nil, 0, nil)
                BLAS.multiply(
                    rows: count, columns: size, depth: count, scores, count, values.data + head * size, values.stride,
                    into: attended.data + head * size, attended.stride)
            }
            output(attended, into: y, using: pass)
        }
    }
}
