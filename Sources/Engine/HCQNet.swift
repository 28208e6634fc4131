internal import CKernels
internal import Glibc
public import Scene

/// HCQNet: box, instance mask and pose of every person in a picture, from one query each, in one pass.
///
/// Son et al., "Object-Centric Multi-Task Learning for Human Instances". Immutable: any number of workspaces may run it at
/// the same time. Twin: `Training/hcqnet/hcqnet.py`.
public final class HCQNet: Sendable {
    public let configuration: NetworkConfiguration
    /// Trained numbers.
    public let parameterCount: Int
    /// Whether layers multiply 8-bit integers.
    public let isInteger: Bool
    let backbone: Backbone
    /// nil without one.
    let tower: LiteHRNet?
    let pixelDecoder: PixelDecoder
    let decoder: Decoder
    let heads: Heads
    /// nil where the queries are learned.
    let proposalHead: ProposalHead?
    private let memory: WeightMemory

    /// Reads a weight file.
    /// - Throws: when it is no safetensors file of version 1, its configuration is wrong, or a tensor is missing, unused,
    ///   misshapen, of another type, or not finite.
    public convenience init(contentsOf path: String) throws(EngineError) {
        let (configuration, tensors) = try Self.open(path)
        try self.init(configuration, tensors)
        try tensors.refuseUnused()
    }

    private static func open(_ path: String) throws(EngineError) -> (NetworkConfiguration, FileTensors) {
        let file = try SafetensorsFile(path: path)
        for (key, expected) in [("format", "hcqnet"), ("version", "1")] where file.metadata[key] != expected {
            throw .wrongMetadata(key: key, found: file.metadata[key], expected: "'\(expected)'")
        }
        guard let json = file.metadata["config"] else {
            throw .wrongMetadata(key: "config", found: nil, expected: "the network's configuration as JSON")
        }
        return (try NetworkConfiguration(json: json), FileTensors(file))
    }

    /// A network whose layers' inputs are watched.
    convenience init(contentsOf path: String, watch: InputWatch) throws(EngineError) {
        let (configuration, tensors) = try Self.open(path)
        try self.init(configuration, tensors, watch: watch)
        try tensors.refuseUnused()
    }

    init(
        _ configuration: NetworkConfiguration, _ source: any TensorSource, watch: InputWatch? = nil
    ) throws(EngineError) {
        // Before the first picture: it takes memory.
        _ = BLAS.coreName
        self.configuration = configuration
        memory = WeightMemory()
        memory.watch = watch
        isInteger = source.isInteger
        let weights = Weights(source: source, memory: memory)
        backbone = try Backbone(weights["backbone"], configuration)
        tower = configuration.tower == .liteHRNet ? try LiteHRNet(weights["tower"]) : nil
        pixelDecoder = try PixelDecoder(weights["pixel_decoder"], configuration, channels: backbone.channels)
        proposalHead = configuration.queryStart == .proposals ? try ProposalHead(weights["proposals"]) : nil
        decoder = try Decoder(weights["decoder"], configuration)
        heads = try Heads(weights["heads"], configuration)
        parameterCount = memory.parameters
        memory.watch = nil
    }

    /// Writes a network of random weights that follow from the seed alone, the same on every machine.
    public static func writeNew(
        _ configuration: NetworkConfiguration, seed: UInt64, to path: String
    ) throws(EngineError) {
        let tensors = SeededTensors(seed: seed)
        _ = try HCQNet(configuration, tensors)
        let metadata = ["format": "hcqnet", "version": "1", "config": configuration.json]
        try SafetensorsFile.write(tensors.tensors, metadata: metadata, to: path)
    }

    /// The CPU for which OpenBLAS's kernels in use are written, such as `SkylakeX`.
    public static var blasCore: String { BLAS.coreName }

    /// Memory and constants for one size of input; the only allocation that running the network needs.
    /// - Parameters:
    ///   - size: of the network's input; both sides are multiples of 32.
    ///   - threads: how many cores share the work; nil for all that this process may use. Results do not depend on it.
    public func makeWorkspace(for size: PixelSize, threads: Int? = nil) -> Workspace {
        Workspace(self, size: size, threads: max(1, threads ?? Int(hcq_usable_cores())))
    }

    // MARK: the forward pass, in the order of the paper

    /// - Parameters:
    ///   - choose: may replace the network's own choice of proposals, `[1, Q]`.
    ///   - fill: writes the normalised picture, `[height][width][3]`.
    ///   - body: reads the output, which lives until it returns.
    func forward<Result>(
        _ size: PixelSize, _ constants: Constants, using pass: Pass, choose: ((Tensor) -> Void)? = nil,
        fill: (FeatureMap) -> Void, _ body: (NetworkOutput) -> Result
    ) -> Result {
        pass.books.reset()
        return pass.scope {
            let count = configuration.queries
            let queries = Queries(configuration, using: pass)
            let input = HeadInput(configuration, using: pass)
            let regression = Regression(configuration, heads, using: pass)
            let classLogits = pass.tensor(count, 2)
            let masks = MaskEmbeddings(configuration, using: pass)

            let maps = backbone(size, using: pass, fill: fill)
            pass.books.enter(.tower)
            let towerMaps = tower?(size, using: pass, fill: fill)

            pass.books.enter(.pixelDecoder)
            let features = pixelDecoder(maps, tower: towerMaps, constants.encoder, using: pass)

            let chosen = startQueries(maps, features, towerMaps, into: queries, choose: choose, using: pass)
            pass.books.enter(.decoder)
            decoder(features, heads, constants.geometry, queries, input, into: regression, using: pass)

            pass.books.enter(.classHead)
            heads.classifier(input.embedding, into: classLogits, using: pass)
            if let chosen { addPrior(chosen, to: classLogits, using: pass) }
            pass.books.enter(.maskHead)
            masks.compute(heads.mask, input.conditioned, pixelDecoder.maskFeatures, using: pass)

            pass.books.enter(.maskProduct)
            pass.books.count(macs: count * configuration.hiddenDim * features.fine.tokens.rows)
            let output = NetworkOutput(
                classLogits: classLogits, masks: masks, fine: features.fine, regression: regression,
                embeddings: input.embedding)
            defer { pass.books.enter(.people) }
            return body(output)
        }
    }
}

extension HCQNet {
    /// E and K before the first refinement.
    /// - Returns: the choice and what it was made from, where the queries start from proposals.
    private func startQueries(
        _ maps: Pyramid, _ features: Features, _ towerMaps: Pyramid?, into queries: Queries,
        choose: ((Tensor) -> Void)?,
        using pass: Pass
    ) -> (chosen: Tensor, proposals: Proposals)? {
        switch decoder.start {
        case .learned(let learned):
            learned(into: queries, using: pass)
            return nil
        case .proposals(let start):
            guard let proposalHead, let stride64 = maps.stride64 else {
                preconditionFailure("proposals need stride 64")
            }
            pass.books.enter(.proposals)
            let proposals = proposalHead(maps, stride64, using: pass)
            pass.books.mark("heads")
            let selection = ProposalSelection(queries: configuration.queries, using: pass)
            if let choose, !pass.isPlan {
                choose(selection.chosen)
            } else {
                pass.run(1) { _, _ in selection.select(proposals, threshold: configuration.proposalNMS) }
            }
            pass.books.mark("selection")
            pass.scope {
                let jointMaps = pixelDecoder.jointMaps(features.fine, tower: towerMaps, using: pass)
                start(proposals, selection.chosen, jointMaps: jointMaps, into: queries, using: pass)
            }
            return (selection.chosen, proposals)
        }
    }

    /// The proposal's own logit is where the person's starts.
    private func addPrior(_ start: (chosen: Tensor, proposals: Proposals), to logits: Tensor, using pass: Pass) {
        pass.run(1) { _, _ in
            for q in 0..<logits.rows {
                let entry = start.chosen.data[q]
                let prior = start.proposals.logit(ProposedQueries.position(entry))
                logits.row(q)[0] += entry < 0 ? prior - ProposedQueries.aside : prior
            }
        }
    }
}

/// What the network says of every query; lives until the pass ends.
struct NetworkOutput {
    /// Person, nothing; `[Q, 2]`.
    let classLogits: Tensor
    let masks: MaskEmbeddings
    /// `[height / 4][width / 4][D]`.
    let fine: FeatureMap
    let regression: Regression
    /// E', `[Q, D]`.
    let embeddings: Tensor
}

/// `mask_features`, a 1x1 convolution that is never applied to the map.
struct FoldedFeatures: Sendable {
    /// Wᵀ, without bias.
    let transposed: Linear
    /// `[1, D]`.
    let bias: Tensor

    init(_ weights: Weights, dim: Int) throws(EngineError) {
        let bound = (6 / Float(dim)).squareRoot()
        let stored = try weights.values("weight", [dim, dim, 1, 1], .uniform(bound))
        var turned = stored
        for o in 0..<dim {
            for i in 0..<dim { turned[i * dim + o] = stored[o * dim + i] }
        }
        transposed = Linear(turned, bias: nil, inputs: dim, keptIn: weights.memory)
        bias = weights.memory.keep(try weights.values("bias", [dim], .zeros), rows: 1, columns: dim)
    }
}

/// The mask head's vectors with `mask_features` folded in: `e . (W f + b) = (Wᵀ e) . f + e . b`, so that the convolution
/// runs on Q vectors instead of every position.
struct MaskEmbeddings: Sendable {
    /// `Wᵀ e`, `[Q, D]`.
    let vectors: Tensor
    /// `e . b`, `[Q, 1]`.
    let offsets: Tensor

    init(_ configuration: NetworkConfiguration, using pass: Pass) {
        vectors = pass.tensor(configuration.queries, configuration.hiddenDim)
        offsets = pass.tensor(configuration.queries, 1)
    }

    func compute(_ head: MLP, _ input: Tensor, _ features: FoldedFeatures, using pass: Pass) {
        pass.scope {
            let (count, dim) = (vectors.rows, vectors.columns)
            let embeddings = pass.tensor(count, dim)
            head(input, into: embeddings, using: pass)
            pass.uncounted { features.transposed(embeddings, into: vectors, using: pass) }
            pass.run(1) { _, _ in
                for q in 0..<count {
                    var sum: Float = 0
                    for c in 0..<dim { sum += embeddings.row(q)[c] * features.bias.data[c] }
                    offsets.data[q] = sum
                }
            }
        }
    }

    /// Mask logits of some vectors.
    /// - Parameters:
    ///   - rows: `[n, D]`, with `offsets` `[n, 1]`.
    ///   - logits: `[n, positions]`; overwritten.
    static func multiply(_ rows: Tensor, _ offsets: Tensor, _ fine: FeatureMap, into logits: Tensor, using pass: Pass) {
        pass.run(fine.tokens.rows, by: 1024) { range, _ in
            BLAS.multiply(
                rows: rows.rows, columns: range.count, depth: rows.columns, rows.data, rows.stride,
                transposed: fine.tokens.row(range.lowerBound), fine.tokens.stride, into: logits.data + range.lowerBound,
                logits.stride)
            for q in 0..<rows.rows {
                let row = logits.row(q)
                let offset = offsets.row(q)[0]
                for i in range { row[i] += offset }
            }
        }
    }
}
