internal import CKernels
internal import Glibc

/// Every position of the backbone's pyramid proposes a person: PicoDet's dense head (Yu et al. 2021, arXiv:2111.00902),
/// box sides as distributions over 0 ... 7 strides (Li et al. 2020, arXiv:2006.04388). Twin: `hcqnet/proposals.py`.
struct ProposalHead: Sendable {
    static let strides = [8, 16, 32, 64]
    static let bins = 8
    let levels: [(tower: [DepthwiseSeparable], predict: Convolution)]

    init(_ weights: Weights) throws(EngineError) {
        let channels = ESNetPAN.neckChannels
        var levels: [(tower: [DepthwiseSeparable], predict: Convolution)] = []
        for level in Self.strides.indices {
            let part = weights["levels"][level]
            levels.append(
                (
                    [
                        try DepthwiseSeparable(part["tower"][0], channels: channels),
                        try DepthwiseSeparable(part["tower"][1], channels: channels),
                    ],
                    try Convolution(part["predict"], inputs: channels, outputs: 1 + 4 * Self.bins, hasBias: true)
                ))
        }
        self.levels = levels
    }

    /// - Returns: proposals that live until the caller's scope ends.
    func callAsFunction(_ maps: Pyramid, _ stride64: FeatureMap, using pass: Pass) -> Proposals {
        let proposals = Proposals(maps, stride64, outputs: levels[0].predict.outputs, using: pass)
        for (level, part) in levels.enumerated() {
            let map = proposals.map(level)
            let rows = proposals.start(level)..<proposals.start(level) + map.tokens.rows
            let features = FeatureMap(proposals.features.rows(rows), height: map.height, width: map.width)
            pass.scope {
                let inner = pass.map(map.height, map.width, map.channels)
                part.tower[0](map, into: inner, using: pass)
                part.tower[1](inner, into: features, using: pass)
            }
            part.predict.linear(features.tokens, into: proposals.predictions.rows(rows), using: pass)
        }
        return proposals
    }
}

/// What every position proposes; positions in the order (level, y, x), strides 8, 16, 32, 64.
struct Proposals: Sendable {
    /// `[positions, 96]`.
    let features: Tensor
    /// The person's logit, then 4 sides x 8 bins: `[positions, 33]`.
    let predictions: Tensor
    private let maps: Pyramid
    private let stride64: FeatureMap

    init(_ maps: Pyramid, _ stride64: FeatureMap, outputs: Int, using pass: Pass) {
        (self.maps, self.stride64) = (maps, stride64)
        let count = maps[1].tokens.rows + maps[2].tokens.rows + maps[3].tokens.rows + stride64.tokens.rows
        features = pass.tensor(count, stride64.channels)
        predictions = pass.tensor(count, outputs)
    }

    func map(_ level: Int) -> FeatureMap { level < 3 ? maps[level + 1] : stride64 }

    /// First position of a level.
    func start(_ level: Int) -> Int { (0..<level).reduce(0) { $0 + map($1).tokens.rows } }

    func logit(_ position: Int) -> Float { predictions.row(position)[0] }

    /// The box of a position: x0 y0 x1 y1, normalised, not clamped. Sides: stride x mean of the distribution.
    func box(_ position: Int) -> (Float, Float, Float, Float) {
        var level = 0
        while level < 3 && position >= start(level + 1) { level += 1 }
        let inLevel = position - start(level)
        let stride = Float(8 << level)
        let x = (Float(inLevel % map(level).width) + 0.5) * stride
        let y = (Float(inLevel / map(level).width) + 0.5) * stride
        let (width, height) = (Float(8 * maps[1].width), Float(8 * maps[1].height))
        let sides = predictions.row(position) + 1
        func side(_ i: Int) -> Float { stride * mean(sides + i * ProposalHead.bins) }
        return ((x - side(0)) / width, (y - side(1)) / height, (x + side(2)) / width, (y + side(3)) / height)
    }

    /// Sum of bin x softmax.
    private func mean(_ logits: UnsafePointer<Float>) -> Float {
        var top = logits[0]
        for i in 1..<ProposalHead.bins { top = max(top, logits[i]) }
        var (sum, weighted): (Float, Float) = (0, 0)
        for i in 0..<ProposalHead.bins {
            let weight = exp(logits[i] - top)
            sum += weight
            weighted += weight * Float(i)
        }
        return weighted / sum
    }
}
