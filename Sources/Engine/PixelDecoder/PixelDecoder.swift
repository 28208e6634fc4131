internal import CKernels

/// What the pixel decoder hands on.
struct Features: Sendable {
    /// `[positions of strides 32, 16, 8, D]`.
    let tokens: Tensor
    /// `[height / 4][width / 4][D]`: what `mask_features` would be computed from.
    let fine: FeatureMap
}

/// Mask2Former's pixel decoder (Cheng et al. 2022, arXiv:2112.01527). Twin: `hcqnet/pixel_decoder.py`.
struct PixelDecoder: Sendable {
    /// Strides 32, 16, 8.
    let inputs: [(projection: Convolution, norm: GroupNorm)]
    /// `[3, D]`.
    let levelEmbedding: Tensor
    let layers: [EncoderLayer]
    let lateral: Convolution
    let lateralNorm: GroupNorm
    let output: OutputConvolution
    /// Never applied to the map: `Heads` folds it into the mask embeddings.
    let maskFeatures: FoldedFeatures
    /// Of the fine map, for queries that start from proposals with joint maps.
    private let joints: Linear?
    private let tower: TowerInputs?
    let heads: Int
    let points: Int

    init(_ weights: Weights, _ configuration: NetworkConfiguration, channels: [Int]) throws(EngineError) {
        let dim = configuration.hiddenDim
        (heads, points) = (configuration.heads, configuration.encoderPoints)
        var inputs: [(projection: Convolution, norm: GroupNorm)] = []
        for level in 0..<SamplingGeometry.levels {
            let part = weights["input_proj"][level]
            inputs.append(
                (
                    try Convolution(part[0], inputs: channels[3 - level], outputs: dim, hasBias: true),
                    try GroupNorm(part[1], channels: dim)
                ))
        }
        self.inputs = inputs
        levelEmbedding = try weights.matrix("level_embed", SamplingGeometry.levels, dim, .uniform(1))
        var layers: [EncoderLayer] = []
        for i in 0..<configuration.encoderLayers {
            layers.append(try EncoderLayer(weights["layers"][i], configuration))
        }
        self.layers = layers
        lateral = try Convolution(weights["lateral"][0], inputs: channels[0], outputs: dim)
        lateralNorm = try GroupNorm(weights["lateral"][1], channels: dim)
        output = try OutputConvolution(weights["output"], configuration)
        maskFeatures = try FoldedFeatures(weights["mask_features"], dim: dim)
        joints =
            configuration.jointGrid == 0
            ? nil
            : try Convolution(weights["joint_maps"], inputs: dim, outputs: configuration.jointChannels, hasBias: true)
                .linear
        tower = configuration.tower == .none ? nil : try TowerInputs(weights["tower"], configuration)
    }

    /// - Parameters:
    ///   - maps: the backbone's.
    ///   - towerMaps: the tower's, where there is one.
    /// - Returns: features that live until the caller's scope ends.
    func callAsFunction(
        _ maps: Pyramid, tower towerMaps: Pyramid? = nil, _ tables: EncoderTables, using pass: Pass
    ) -> Features {
        let dim = levelEmbedding.columns
        let tokens = pass.tensor(maps[1].tokens.rows + maps[2].tokens.rows + maps[3].tokens.rows, dim)
        // Nobody else reads the backbone's finest map: where its memory has the right size, the result goes there.
        let isReused = maps.stride4.channels == dim && output.layerCount % 2 == 1
        let fine = isReused ? maps.stride4 : pass.map(maps.stride4.height, maps.stride4.width, dim)
        pass.scope {
            var start = 0
            for level in 0..<SamplingGeometry.levels {
                let map = maps[3 - level]
                let rows = tokens.rows(start..<start + map.tokens.rows)
                inputs[level].projection(map, into: FeatureMap(rows, height: map.height, width: map.width), using: pass)
                inputs[level].norm(rows, into: rows, using: pass)
                if let tower, let towerMaps {
                    tower.levels[level](towerMaps[3 - level].tokens, into: rows, accumulating: true, using: pass)
                }
                start += rows.rows
            }
            pass.books.mark("input projections")
            encode(tokens, tables, using: pass)
        }
        let stride8 = FeatureMap(
            tokens.rows(tokens.rows - maps.stride8.tokens.rows..<tokens.rows), height: maps.stride8.height,
            width: maps.stride8.width)
        pass.scope {
            let other = pass.map(fine.height, fine.width, dim)
            let (sum, spare) = output.layerCount % 2 == 0 ? (fine, other) : (other, fine)
            addLateral(maps.stride4, towerMaps?.stride4, stride8, into: sum, using: pass)
            output(sum, spare, using: pass)
            pass.books.mark("output convolution")
            pass.books.count(macs: fine.tokens.rows * dim * dim)
        }
        return Features(tokens: tokens, fine: fine)
    }

    /// `GroupNorm(lateral(x))`, the tower's share, and the map of stride 8 enlarged twofold.
    private func addLateral(
        _ x: FeatureMap, _ towerMap: FeatureMap?, _ stride8: FeatureMap, into sum: FeatureMap, using pass: Pass
    ) {
        let layer = lateral.linear
        pass.scope {
            let (scale, shift) = (pass.tensor(1, sum.channels), pass.tensor(1, sum.channels))
            pass.books.count(macs: sum.tokens.rows * layer.inputs * layer.outputs)
            lateralNorm.measure(sum.tokens, into: scale, shift, using: pass) { range, _ in
                layer.apply(x.tokens.rows(range), into: sum.tokens.rows(range))
            }
            if let tower { pass.books.count(macs: sum.tokens.rows * tower.lateral.inputs * tower.lateral.outputs) }
            pass.books.mark("lateral")
            pass.run(sum.height, by: 2) { range, _ in
                hcq_upsample_add(
                    stride8.tokens.data, stride8.height, stride8.width, sum.channels, range.lowerBound,
                    range.upperBound,
                    sum.tokens.data, scale.data, shift.data, sum.tokens.data)
                guard let tower, let towerMap else { return }
                let positions = range.lowerBound * sum.width..<range.upperBound * sum.width
                tower.lateral.apply(
                    towerMap.tokens.rows(positions), into: sum.tokens.rows(positions), accumulating: true)
            }
            pass.books.mark("upsampling")
        }
    }

    /// - Returns: `[height / 4][width / 4][joint channels]`, or nil without a joint grid; lives until the caller's scope ends.
    func jointMaps(_ fine: FeatureMap, tower towerMaps: Pyramid?, using pass: Pass) -> FeatureMap? {
        guard let joints else { return nil }
        let map = pass.map(fine.height, fine.width, joints.outputs)
        joints(fine.tokens, into: map.tokens, using: pass)
        if let layer = tower?.jointMaps, let towerMaps {
            layer(towerMaps.stride4.tokens, into: map.tokens, accumulating: true, using: pass)
        }
        return map
    }

    private func encode(_ tokens: Tensor, _ tables: EncoderTables, using pass: Pass) {
        guard let first = layers.first else { return }
        var values = pass.tensor(tokens.rows, tokens.columns)
        var nextValues = pass.tensor(tokens.rows, tokens.columns)
        // Counted by the layer.
        pass.uncounted { first.value(tokens, into: values, using: pass) }
        for (i, layer) in layers.enumerated() {
            let next = i + 1 < layers.count ? (layers[i + 1], nextValues) : nil
            layer(tokens, values: values, next: next, tables, index: i, using: pass)
            pass.books.mark("encoder layers")
            swap(&values, &nextValues)
        }
    }
}

/// Where the tower's maps are added: 1x1 convolutions without biases. Twin: `hcqnet/pixel_decoder.py`, `TowerInputs`.
struct TowerInputs: Sendable {
    /// Strides 32, 16, 8.
    let levels: [Linear]
    let lateral: Linear
    let jointMaps: Linear?

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        let (channels, dim) = (LiteHRNet.channels, configuration.hiddenDim)
        var levels: [Linear] = []
        for level in 0..<SamplingGeometry.levels {
            levels.append(try Convolution(weights["levels"][level], inputs: channels[3 - level], outputs: dim).linear)
        }
        self.levels = levels
        lateral = try Convolution(weights["lateral"], inputs: channels[0], outputs: dim).linear
        jointMaps =
            configuration.jointGrid == 0
            ? nil
            : try Convolution(weights["joint_maps"], inputs: channels[0], outputs: configuration.jointChannels).linear
    }
}
