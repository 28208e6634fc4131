internal import CKernels

/// An MLP whose hidden vector also gives a sigma in 0...1 for every number it regresses. Twin: `heads.py`.
struct RegressionHead: Sendable {
    let mlp: MLP
    /// nil for a weight file without these tensors.
    let sigma: Linear?

    init(_ weights: Weights, inputs: Int, hidden: Int, outputs: Int) throws(EngineError) {
        mlp = try MLP(weights, inputs: inputs, hidden: hidden, outputs: outputs, lastStart: .uniform(0.02))
        sigma =
            weights.has("sigma.weight") || weights.has("sigma.bias")
            ? try Linear(weights["sigma"], inputs: hidden, outputs: outputs) : nil
    }

    /// - Parameters:
    ///   - x: `[n, inputs]`.
    ///   - y: `[n, outputs]`; overwritten.
    ///   - sigmas: `[n, outputs]`; overwritten when there is a sigma layer.
    func callAsFunction(_ x: Tensor, into y: Tensor, sigmas: Tensor?, using pass: Pass) {
        pass.scope {
            let hidden = pass.tensor(x.rows, mlp.second.outputs)
            mlp(x, hidden: hidden, into: y, using: pass)
            guard let sigma, let sigmas else { return }
            pass.uncounted { sigma(hidden, into: sigmas, using: pass) }
            pass.run(1) { _, _ in hcq_sigmoid(sigmas.data, sigmas.data, sigmas.count) }
        }
    }
}

/// Class, mask, box and pose of a query from its embedding and keypoints (section 3.3). Twin: `hcqnet/heads.py`.
struct Heads: Sendable {
    let classifier: Linear
    let mask: MLP
    let box: RegressionHead
    let pose: RegressionHead?

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        let dim = configuration.hiddenDim
        let keys = configuration.keysInHeads ? configuration.keyDim : 0
        classifier = try Linear(weights["cls"], inputs: dim, outputs: 2)
        mask = try MLP(weights["mask"], inputs: dim + configuration.conditionDim, hidden: dim, outputs: dim)
        box = try RegressionHead(weights["box"], inputs: dim + configuration.conditionDim, hidden: dim, outputs: 4)
        pose =
            configuration.hasPose
            ? try RegressionHead(weights["pose"], inputs: dim + keys, hidden: dim, outputs: 2 * configuration.joints)
            : nil
    }
}
