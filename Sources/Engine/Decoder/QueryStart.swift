internal import CKernels
internal import Glibc

/// Where E and K come from before the first refinement.
enum QueryStart: Sendable {
    case learned(LearnedQueries)
    case proposals(ProposedQueries)

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        switch configuration.queryStart {
        case .learned: self = .learned(try LearnedQueries(weights, configuration))
        case .proposals: self = .proposals(try ProposedQueries(weights, configuration))
        }
    }
}

/// The same queries for every picture.
struct LearnedQueries: Sendable {
    /// E, `[Q, D]`.
    let embedding: Tensor
    /// K after the sigmoid, `[Q, key_dim]`.
    let keys: Tensor

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        embedding = try weights.matrix("query_feat", configuration.queries, configuration.hiddenDim, .uniform(1))
        keys = try weights.matrix("query_key", configuration.queries, configuration.keyDim, .uniform(1))
        hcq_sigmoid(keys.data, keys.data, keys.count)
    }

    func callAsFunction(into queries: Queries, using pass: Pass) {
        pass.run(1) { _, _ in
            memcpy(queries.embedding.data, embedding.data, embedding.count * 4)
            memcpy(queries.keys.data, keys.data, keys.count * 4)
        }
    }
}

/// Queries from chosen proposals: E from the feature, corners from the box, joints from the feature and, with a joint grid,
/// from joint maps. Twin: `hcqnet/decoder.py`, `Decoder.start_from`.
struct ProposedQueries: Sendable {
    /// A query's first box stays this far inside 0...1, where the sigmoid can still move it.
    static let boxEdge: Float = 1e-3
    /// A proposal that overlaps a better one starts with its logit less this.
    static let aside: Float = 5
    let embed: Linear
    let pose: MLP
    let grid: Int
    let margin: Float
    /// `[1, joints]`.
    let scale: Tensor?
    let reach: Tensor?
    /// With `joint_owner`.
    let owner: Tensor?

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        let (channels, dim) = (ESNetPAN.neckChannels, configuration.hiddenDim)
        (grid, margin) = (configuration.jointGrid, configuration.canonicalMargin)
        embed = try Linear(weights["proposal_embed"], inputs: channels, outputs: dim)
        pose = try MLP(weights["proposal_pose"], inputs: channels, hidden: dim, outputs: 2 * configuration.joints)
        scale = grid > 0 ? try weights.vector("joint_scale", configuration.joints, .values([2])) : nil
        reach = grid > 0 ? try weights.vector("joint_reach", configuration.joints, .values([4])) : nil
        owner =
            configuration.jointOwner > 0 ? try weights.vector("joint_owner", configuration.joints, .values([4])) : nil
    }

    /// - Parameters:
    ///   - chosen: positions of the proposals, those set aside as -1 - position; `[1, Q]`.
    ///   - jointMaps: `[height / 4][width / 4][joint channels]`, with a joint grid.
    func callAsFunction(
        _ proposals: Proposals, _ chosen: Tensor, jointMaps: FeatureMap?, into queries: Queries, using pass: Pass
    ) {
        pass.scope {
            let count = chosen.columns
            let features = pass.tensor(count, proposals.features.columns)
            let poses = pass.tensor(count, pose.third.outputs)
            pass.run(1) { _, _ in
                for q in 0..<count {
                    let position = Self.position(chosen.data[q])
                    memcpy(features.row(q), proposals.features.row(position), features.columns * 4)
                    let (x0, y0, x1, y1) = proposals.box(position)
                    let key = queries.keys.row(q)
                    (key[0], key[1], key[2], key[3]) = (x0, y0, x1, y1)
                    for i in 0..<4 { key[i] = min(max(key[i], Self.boxEdge), 1 - Self.boxEdge) }
                }
            }
            embed(features, into: queries.embedding, using: pass)
            pose(features, into: poses, using: pass)
            let points = grid * grid
            pass.run(count, by: 4, scratch: 2 * points + (points + 16) * (jointMaps?.tokens.columns ?? 0)) {
                range, scratch in
                for q in range {
                    hcq_sigmoid(poses.row(q), poses.row(q), poses.columns)
                    if let jointMaps, let scale, let reach {
                        hcq_read_joints(
                            jointMaps.tokens.data, jointMaps.height, jointMaps.width, poses.columns / 2,
                            jointMaps.tokens.columns, queries.keys.row(q), margin, grid, scale.data, reach.data,
                            owner?.data, scratch, poses.row(q))
                    }
                    memcpy(queries.keys.row(q) + 4, poses.row(q), poses.columns * 4)
                }
            }
        }
    }

    /// The proposal behind an entry of `chosen`.
    static func position(_ entry: Float) -> Int { entry < 0 ? Int(-1 - entry) : Int(entry) }
}
