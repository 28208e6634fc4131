internal import CKernels
internal import Glibc

/// Transformer decoder: the queries attend to each other and to the picture, layer after layer, and their keypoints are
/// refined before the first layer and after each. Twin: `hcqnet/decoder.py`.
struct Decoder: Sendable {
    let configuration: NetworkConfiguration
    let start: QueryStart
    let position: StructuralEmbedding
    let norm: LayerNorm
    let layers: [DecoderLayer]
    let space: JointSpace

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        self.configuration = configuration
        space = JointSpace(configuration)
        start = try QueryStart(weights, configuration)
        position = try StructuralEmbedding(weights["pos_mlp"], configuration)
        norm = try LayerNorm(weights["norm"], channels: configuration.hiddenDim)
        var layers: [DecoderLayer] = []
        for i in 0..<configuration.decoderLayers {
            layers.append(try DecoderLayer(weights["layers"][i], configuration))
        }
        self.layers = layers
    }

    /// - Parameters:
    ///   - queries: (E, K) at the start; at the end E after the last layer and K after the last update.
    ///   - input: overwritten; at the end E' and what the mask head reads beside it.
    ///   - result: keypoints, joints and sigmas, overwritten.
    func callAsFunction(
        _ features: Features, _ heads: Heads, _ geometry: SamplingGeometry, _ queries: Queries, _ input: HeadInput,
        into result: Regression, using pass: Pass
    ) {
        if configuration.headCondition == .embedding && configuration.keysInHeads {
            position(queries.keys, into: queries.position, using: pass)
        }
        refine(queries, input, heads, isLast: layers.isEmpty, into: result, using: pass)
        for (i, layer) in layers.enumerated() {
            pass.books.enter(.decoder)
            position(queries.keys, into: queries.position, using: pass)
            if queries.joints.columns > 0 { space.place(queries.keys, into: queries.joints, using: pass) }
            layer(queries, features, geometry, using: pass)
            refine(queries, input, heads, isLast: i + 1 == layers.count, into: result, using: pass)
        }
        pass.books.enter(.maskHead)
        if configuration.headCondition == .embedding && configuration.keysInHeads {
            position(queries.keys, into: queries.position, using: pass)
        }
        input.setCondition(queries, space, using: pass)
    }

    /// K <- sigmoid(inverse_sigmoid(K) + cat(box, pose)), both heads reading K from before the update.
    private func refine(
        _ queries: Queries, _ input: HeadInput, _ heads: Heads, isLast: Bool, into result: Regression, using pass: Pass
    ) {
        norm(queries.embedding, into: input.embedding, using: pass)
        input.setCondition(queries, space, using: pass)
        pass.scope {
            let count = configuration.queries
            let delta = pass.tensor(count, configuration.keyDim)
            pass.books.enter(.boxHead)
            heads.box(
                input.conditioned, into: delta.columns(0..<4), sigmas: isLast ? result.boxSigma : nil, using: pass)
            pass.books.enter(.poseHead)
            if let pose = heads.pose {
                if configuration.poseInKeys {
                    pose(
                        input.posed, into: delta.columns(4..<delta.columns), sigmas: isLast ? result.poseSigma : nil,
                        using: pass)
                } else {
                    let joints = pass.tensor(count, 2 * configuration.joints)
                    pose(input.posed, into: joints, sigmas: isLast ? result.poseSigma : nil, using: pass)
                    if isLast { storeBesideKeys(joints, into: result, using: pass) }
                }
            }
            pass.run(1) { _, _ in hcq_refine(queries.keys.data, delta.data, queries.keys.data, queries.keys.count) }
        }
        if isLast { store(queries.keys, into: result, using: pass) }
    }

    /// `basenet-dps`: joints are predicted and never fed back.
    private func storeBesideKeys(_ joints: Tensor, into result: Regression, using pass: Pass) {
        pass.run(1) { _, _ in
            for q in 0..<joints.rows { hcq_sigmoid(joints.row(q), result.keypoints.row(q) + 4, joints.columns) }
        }
    }

    private func store(_ keys: Tensor, into result: Regression, using pass: Pass) {
        pass.run(1) { _, _ in
            for q in 0..<keys.rows { memcpy(result.keypoints.row(q), keys.row(q), keys.columns * 4) }
        }
        if result.joints.columns > 0 { space.place(result.keypoints, into: result.joints, using: pass) }
    }
}

/// What the decoder regresses.
struct Regression: Sendable {
    /// K and whatever joints are predicted beside it, `[Q, 4 + 2 joints]` or `[Q, 4]`.
    let keypoints: Tensor
    /// In normalised image coordinates, `[Q, 2 joints]`.
    let joints: Tensor
    /// `[Q, 4]` and `[Q, 2 joints]`; nil where the weight file has none.
    let boxSigma: Tensor?
    let poseSigma: Tensor?

    init(_ configuration: NetworkConfiguration, _ heads: Heads, using pass: Pass) {
        let count = configuration.queries
        keypoints = pass.tensor(count, configuration.outputKeyDim)
        joints = pass.tensor(count, configuration.outputKeyDim - 4)
        boxSigma = heads.box.sigma == nil ? nil : pass.tensor(count, 4)
        poseSigma = heads.pose?.sigma == nil ? nil : pass.tensor(count, 2 * configuration.joints)
    }
}
