internal import Glibc

/// E' with what the heads read beside it (section 3.3 and table 2), one row per query.
struct HeadInput: Sendable {
    private let configuration: NetworkConfiguration
    /// For the mask and box heads, `[Q, D + condition]`.
    let conditioned: Tensor
    /// For the pose head, `[Q, D + key_dim]`: always K as it is stored. May be `conditioned` itself.
    let posed: Tensor

    init(_ configuration: NetworkConfiguration, using pass: Pass) {
        self.configuration = configuration
        let (count, dim) = (configuration.queries, configuration.hiddenDim)
        conditioned = pass.tensor(count, dim + configuration.conditionDim)
        let isOneForAll = !configuration.keysInHeads || configuration.headCondition == .canonical
        posed = isOneForAll ? conditioned : pass.tensor(count, dim + configuration.keyDim)
    }

    /// E', `[Q, D]`.
    var embedding: Tensor { conditioned.columns(0..<configuration.hiddenDim) }

    /// Puts K, its image form or its P beside E'.
    func setCondition(_ queries: Queries, _ space: JointSpace, using pass: Pass) {
        guard configuration.keysInHeads else { return }
        let dim = configuration.hiddenDim
        if configuration.headCondition == .image { space.place(queries.keys, into: queries.joints, using: pass) }
        pass.run(1) { _, _ in
            for q in 0..<conditioned.rows {
                let row = conditioned.row(q)
                let keys = queries.keys.row(q)
                switch configuration.headCondition {
                case .canonical: memcpy(row + dim, keys, queries.keys.columns * 4)
                case .image:
                    memcpy(row + dim, keys, 4 * 4)
                    memcpy(row + dim + 4, queries.joints.row(q), queries.joints.columns * 4)
                case .embedding: memcpy(row + dim, queries.position.row(q), dim * 4)
                }
                if configuration.headCondition != .canonical {
                    memcpy(posed.row(q), row, dim * 4)
                    memcpy(posed.row(q) + dim, keys, queries.keys.columns * 4)
                }
            }
        }
    }
}
