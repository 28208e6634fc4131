internal import CKernels

/// ESNet 0.75 with a CSP-PAN neck (Yu et al. 2021, PP-PicoDet, arXiv:2111.00902, section 3): maps whose scales are mixed
/// already, and one more at stride 64 for proposals. Twin: `backbones/esnet_pan.py`.
struct ESNetPAN: Sendable {
    static let stemChannels = 24
    static let neckChannels = 96
    /// Per stage: channels, then the inner channels of each block; the first one halves the resolution.
    private static let sizes = [
        (96, [88, 48, 48]), (192, [96, 120, 96, 120, 96, 96, 96]), (384, [192, 192, 192]),
    ]

    let stem: Convolution
    let stages: [(down: DownBlock, same: [SameBlock])]
    let neck: CSPPAN
    let channels = [stemChannels, neckChannels, neckChannels, neckChannels]

    init(_ weights: Weights) throws(EngineError) {
        stem = try Convolution(
            weights["stem"], inputs: 3, outputs: Self.stemChannels, kernel: 3, stride: 2, hasBias: true)
        var inputs = Self.stemChannels
        var stages: [(down: DownBlock, same: [SameBlock])] = []
        for (stage, (outputs, middles)) in Self.sizes.enumerated() {
            let part = weights["stages"][stage]
            let down = try DownBlock(part[0], inputs: inputs, outputs: outputs, middle: middles[0])
            var same: [SameBlock] = []
            for i in 1..<middles.count { same.append(try SameBlock(part[i], channels: outputs, middle: middles[i])) }
            stages.append((down, same))
            inputs = outputs
        }
        self.stages = stages
        neck = try CSPPAN(weights["neck"], inputs: Self.sizes.map(\.0), channels: Self.neckChannels)
    }

    /// - Parameters:
    ///   - image: `[height][width][3]`, normalised.
    ///   - maps: at strides 4, 8, 16, 32; overwritten.
    ///   - stride64: `[ceil(height / 64)][ceil(width / 64)][96]`; overwritten.
    func callAsFunction(_ image: FeatureMap, into maps: Pyramid, stride64: FeatureMap, using pass: Pass) {
        pass.scope {
            let wide = pass.map(image.height / 2, image.width / 2, Self.stemChannels)
            stem(image, into: wide, .hardSwish, using: pass)
            maxPool(wide, into: maps.stride4, using: pass)
            pass.books.mark("stem")
        }
        pass.scope {
            let c3 = stage(0, maps.stride4, using: pass)
            let c4 = stage(1, c3, using: pass)
            let c5 = stage(2, c4, using: pass)
            neck(c3, c4, c5, into: maps, stride64: stride64, using: pass)
            pass.books.mark("neck")
        }
    }

    /// - Returns: a map that lives until the caller's scope ends.
    private func stage(_ index: Int, _ x: FeatureMap, using pass: Pass) -> FeatureMap {
        let (down, same) = stages[index]
        var y = pass.map(x.height / 2, x.width / 2, down.merge.pointwise.outputs)
        var other = pass.map(y.height, y.width, y.channels)
        down(x, into: y, using: pass)
        for block in same {
            block(y, into: other, using: pass)
            swap(&y, &other)
        }
        pass.books.mark("stage \(index + 1)")
        return y
    }
}

/// CSP-PAN: 1x1 convolutions to one width, top-down, bottom-up, one more level. Twin: `esnet_pan.py`, `CSPPAN`.
struct CSPPAN: Sendable {
    let lateral: [Convolution]
    let topDown: [CSPBlock]
    let down: [DepthwiseSeparable]
    let bottomUp: [CSPBlock]
    let extraLateral: DepthwiseSeparable
    let extraDown: DepthwiseSeparable

    init(_ weights: Weights, inputs: [Int], channels: Int) throws(EngineError) {
        var lateral: [Convolution] = []
        for (i, count) in inputs.enumerated() {
            lateral.append(try Convolution(weights["lateral"][i], inputs: count, outputs: channels, hasBias: true))
        }
        self.lateral = lateral
        topDown = [
            try CSPBlock(weights["top_down"][0], inputs: 2 * channels, outputs: channels),
            try CSPBlock(weights["top_down"][1], inputs: 2 * channels, outputs: channels),
        ]
        down = [
            try DepthwiseSeparable(weights["down"][0], channels: channels, stride: 2),
            try DepthwiseSeparable(weights["down"][1], channels: channels, stride: 2),
        ]
        bottomUp = [
            try CSPBlock(weights["bottom_up"][0], inputs: 2 * channels, outputs: channels),
            try CSPBlock(weights["bottom_up"][1], inputs: 2 * channels, outputs: channels),
        ]
        extraLateral = try DepthwiseSeparable(weights["extra_lateral"], channels: channels, stride: 2)
        extraDown = try DepthwiseSeparable(weights["extra_down"], channels: channels, stride: 2)
    }

    /// Concatenations are made in place: every part is computed into its half of the pair.
    func callAsFunction(
        _ x3: FeatureMap, _ x4: FeatureMap, _ x5: FeatureMap, into maps: Pyramid, stride64: FeatureMap, using pass: Pass
    ) {
        let channels = maps.stride8.channels
        let (low, high) = (0..<channels, channels..<2 * channels)
        let pair8 = pass.map(x3.height, x3.width, 2 * channels)
        let pair16 = pass.map(x4.height, x4.width, 2 * channels)
        let pair16Up = pass.map(x4.height, x4.width, 2 * channels)
        let pair32 = pass.map(x5.height, x5.width, 2 * channels)
        lateral[0](x3, into: pair8.columns(high), .hardSwish, using: pass)
        lateral[1](x4, into: pair16.columns(high), .hardSwish, using: pass)
        let c5 = pair32.columns(high)
        lateral[2](x5, into: c5, .hardSwish, using: pass)

        enlarge(c5, into: pair16.columns(low), using: pass)
        let p4 = pair16Up.columns(high)
        topDown[0](pair16, into: p4, using: pass)
        enlarge(p4, into: pair8.columns(low), using: pass)
        topDown[1](pair8, into: maps.stride8, using: pass)

        down[0](maps.stride8, into: pair16Up.columns(low), using: pass)
        bottomUp[0](pair16Up, into: maps.stride16, using: pass)
        down[1](maps.stride16, into: pair32.columns(low), using: pass)
        bottomUp[1](pair32, into: maps.stride32, using: pass)

        let other = pass.map(stride64.height, stride64.width, channels)
        extraLateral(c5, into: stride64, using: pass)
        extraDown(maps.stride32, into: other, using: pass)
        pass.run(1) { _, _ in
            hcq_add(stride64.tokens.data, other.tokens.data, stride64.tokens.data, other.tokens.count)
        }
    }

    /// Nearest neighbour, twofold.
    private func enlarge(_ x: FeatureMap, into y: FeatureMap, using pass: Pass) {
        pass.run(y.height, by: 4) { range, _ in
            hcq_upsample_nearest(
                x.tokens.data, x.tokens.stride, x.width, x.channels, range.lowerBound, range.upperBound, y.tokens.data,
                y.tokens.stride)
        }
    }
}
