internal import CKernels
internal import Scene

/// Lite-HRNet 18 without channel weighting (Yu et al. 2021, arXiv:2104.06403, the "naive" network of its Table 1): four
/// branches at strides 4, 8, 16 and 32 that keep exchanging what they see. Twin: `backbones/lite_hrnet.py`.
struct LiteHRNet: Sendable {
    /// Maps of the branches, from stride 4 on; those that a stage does not have yet are there already.
    typealias Branches = InlineArray<4, FeatureMap>

    /// Of the branches at strides 4, 8, 16, 32.
    static let channels = [40, 80, 160, 320]
    static let stemChannels = 32
    /// Fused modules of the stages with 2, 3 and 4 branches.
    private static let modules = [2, 4, 2]

    let stem: LiteHRNetStem
    /// What begins each branch.
    let transition: [NarrowChain]
    let stages: [[BranchModule]]
    /// From the lowest branch up.
    let head: [NarrowChain]

    init(_ weights: Weights) throws(EngineError) {
        let channels = Self.channels
        stem = try LiteHRNetStem(weights["stem"])
        let part = weights["transition"]
        var transition = [
            try NarrowChain(part[0], inputs: Self.stemChannels, outputs: channels[0]),
            try NarrowChain(part[1], inputs: Self.stemChannels, outputs: channels[1], stride: 2),
        ]
        var stages: [[BranchModule]] = []
        for (number, count) in Self.modules.enumerated() {
            if number > 0 {
                transition.append(
                    try NarrowChain(
                        part[number + 1], inputs: channels[number], outputs: channels[number + 1], stride: 2))
            }
            var stage: [BranchModule] = []
            for i in 0..<count { stage.append(try BranchModule(weights["stages"][number][i], branches: number + 2)) }
            stages.append(stage)
        }
        var head: [NarrowChain] = []
        for i in 0..<4 {
            let inputs = channels[3 - i]
            head.append(try NarrowChain(weights["head"][i], inputs: inputs, outputs: i < 3 ? channels[2 - i] : inputs))
        }
        (self.transition, self.stages, self.head) = (transition, stages, head)
    }

    /// - Parameter fill: writes the normalised picture, `[height][width][3]`.
    /// - Returns: maps that live until the caller's scope ends; the one at stride 4 has passed the head.
    func callAsFunction(_ size: PixelSize, using pass: Pass, fill: (FeatureMap) -> Void) -> Pyramid {
        func branches() -> Branches {
            Branches { pass.paddedMap(size.height >> ($0 + 2), size.width >> ($0 + 2), Self.channels[$0]) }
        }
        var (maps, others) = (branches(), branches())
        pass.scope {
            let image = pass.map(size.height, size.width, 3)
            let first = pass.paddedMap(size.height / 4, size.width / 4, Self.stemChannels)
            fill(image)
            stem(image, into: first, using: pass)
            transition[0](first, into: maps[0], .relu, rows: 8, using: pass)
            transition[1](first, into: maps[1], .relu, rows: 4, using: pass)
        }
        pass.books.mark("stem")
        for (number, stage) in stages.enumerated() {
            if number > 0 { transition[number + 1](maps[number], into: maps[number + 1], .relu, rows: 4, using: pass) }
            for module in stage {
                module(maps, into: others, using: pass)
                swap(&maps, &others)
            }
        }
        pass.scope { fuse(maps, into: others[0], using: pass) }
        pass.books.mark("head")
        return Pyramid(stride4: others[0], stride8: maps[1], stride16: maps[2], stride32: maps[3], stride64: nil)
    }

    /// The head: from the lowest branch up, separable convolution, bilinear enlargement, sum.
    private func fuse(_ maps: Branches, into result: FeatureMap, using pass: Pass) {
        var y = pass.paddedMap(maps[3].height, maps[3].width, maps[2].channels)
        head[0](maps[3], into: y, .relu, rows: 2, using: pass)
        for level in stride(from: 2, through: 0, by: -1) {
            let map = maps[level]
            let sum = pass.paddedMap(map.height, map.width, map.channels)
            pass.run(sum.height, by: 4) { [y] range, _ in
                hcq_enlarge_add(
                    y.tokens.data, y.height, y.width, y.tokens.stride, range.lowerBound, range.upperBound,
                    map.tokens.data, sum.tokens.data)
            }
            let next = level > 0 ? pass.paddedMap(map.height, map.width, maps[level - 1].channels) : result
            head[3 - level](sum, into: next, .relu, rows: 1 << (3 - level), using: pass)
            y = next
        }
    }
}

/// Image to 32 channels at stride 4. Twin: `lite_hrnet.py`, `Stem`.
struct LiteHRNetStem: Sendable {
    private static let half = LiteHRNet.stemChannels / 2
    let convolution: Convolution
    let first: NarrowChain
    let expand: NarrowProduct
    let second: NarrowChain

    init(_ weights: Weights) throws(EngineError) {
        let half = Self.half
        convolution = try Convolution(
            weights["conv"], inputs: 3, outputs: 2 * half, kernel: 3, stride: 2, hasBias: true)
        first = try NarrowChain(
            depthwise: weights["branch1_depthwise"], project: weights["branch1_pointwise"], inputs: half, outputs: half,
            stride: 2)
        expand = try NarrowProduct([(weights["branch2_expand"], outputs: 2 * half)], inputs: half)
        second = try NarrowChain(
            depthwise: weights["branch2_depthwise"], project: weights["branch2_project"], inputs: 2 * half,
            outputs: half,
            stride: 2)
    }

    /// - Parameters:
    ///   - image: `[height][width][3]`.
    ///   - y: `[height / 4][width / 4][32]`; overwritten.
    func callAsFunction(_ image: FeatureMap, into y: FeatureMap, using pass: Pass) {
        let half = Self.half
        let (height, width) = convolution.outputSize(image)
        let x = pass.map(height, width, 2 * half)
        let wide = pass.map(height, width, 2 * half)
        convolution(image, into: x, .relu, using: pass)
        pass.books.count(macs: x.tokens.rows * expand.macs)
        pass.run(x.tokens.rows, by: 1024) { range, _ in
            expand.apply(x.tokens.columns(half..<2 * half).rows(range), into: wide.tokens.rows(range), .relu)
        }
        pass.books.count(macs: y.height * y.width * (first.macs + second.macs))
        let pixels = 4 * y.width
        let scratch = max(first.scratch(x), second.scratch(wide))
        let both = pass.map(y.height, y.width, 2 * half)
        pass.run(y.height, by: 4, scratch: scratch) { rows, scratch in
            first.separable(x.columns(0..<half), into: both.columns(0..<half), rows: rows, .relu, scratch)
            second.separable(wide, into: both.columns(half..<2 * half), rows: rows, .relu, scratch)
            let from = rows.lowerBound * y.width
            let (a, to) = (both.tokens.row(from), y.tokens.row(from))
            hcq_interleave(
                a, both.tokens.stride, a + half, both.tokens.stride, min(pixels, rows.count * y.width), half, to,
                y.tokens.stride)
        }
    }
}
