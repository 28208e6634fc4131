internal import CKernels
internal import Glibc

/// The human-centric queries (E, K) between two layers.
struct Queries: Sendable {
    /// E, `[Q, D]`.
    let embedding: Tensor
    /// K, `[Q, key_dim]`: corners in normalised image coordinates, then joints.
    let keys: Tensor
    /// P of K, `[Q, D]`.
    let position: Tensor
    /// The joints of K in normalised image coordinates, `[Q, 2 joints]`; no columns where K holds the corners only.
    let joints: Tensor

    init(_ configuration: NetworkConfiguration, using pass: Pass) {
        let count = configuration.queries
        embedding = pass.tensor(count, configuration.hiddenDim)
        keys = pass.tensor(count, configuration.keyDim)
        position = pass.tensor(count, configuration.hiddenDim)
        joints = pass.tensor(count, configuration.keyDim - 4)
    }
}

/// How stored joints become joints in the picture (Eq. 2).
struct JointSpace: Sendable {
    let isCanonical: Bool
    let margin: Float

    init(_ configuration: NetworkConfiguration) {
        isCanonical = configuration.keypointSpace == .canonical
        margin = configuration.canonicalMargin
    }

    /// `joint = p0 + ((1 + 2m) p - m) (p1 - p0)`, or `p` itself where K lives in the picture.
    /// - Parameters:
    ///   - keys: `[Q, 4 + 2 joints]`.
    ///   - joints: `[Q, 2 joints]`; overwritten.
    func place(_ keys: Tensor, into joints: Tensor, using pass: Pass) {
        pass.run(1) { _, _ in
            for q in 0..<keys.rows {
                let (key, joint) = (keys.row(q), joints.row(q))
                for i in 0..<joints.columns {
                    let stored = key[4 + i]
                    let (low, high) = (key[i % 2], key[2 + i % 2])
                    joint[i] = isCanonical ? low + ((1 + 2 * margin) * stored - margin) * (high - low) : stored
                }
            }
        }
    }
}

/// P = MLP(sine(K)), Eq. 3. Twin: `hcqnet/decoder.py`, `Decoder.position`.
struct StructuralEmbedding: Sendable {
    let mlp: MLP
    /// 2 pi / 10000^(2 floor(i / 2) / D'), `[1, D']`.
    let frequencies: Tensor

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        let dim = configuration.sineDim
        mlp = try MLP(
            weights, inputs: configuration.keyDim * dim, hidden: configuration.hiddenDim,
            outputs: configuration.hiddenDim)
        let values = (0..<dim).map { Float(2 * Double.pi / pow(10_000, Double($0 / 2 * 2) / Double(dim))) }
        frequencies = weights.memory.keep(values, rows: 1, columns: dim)
    }

    /// - Parameters:
    ///   - keys: K, `[Q, key_dim]`.
    ///   - position: P, `[Q, D]`; overwritten.
    func callAsFunction(_ keys: Tensor, into position: Tensor, using pass: Pass) {
        pass.scope {
            let code = pass.tensor(keys.rows, keys.columns * frequencies.columns)
            pass.run(keys.rows, by: 16) { range, _ in
                hcq_sine_code(
                    keys.row(range.lowerBound), range.count * keys.columns, frequencies.data, frequencies.columns,
                    code.row(range.lowerBound))
            }
            mlp(code, into: position, using: pass)
        }
    }
}
