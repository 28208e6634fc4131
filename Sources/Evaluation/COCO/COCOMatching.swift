/// Which sizes of people count, in pixels; the others are ignored, neither found nor missed.
public struct COCOAreaRange: Sendable, Equatable {
    public let name: String
    let least: Double
    let greatest: Double

    static let all = COCOAreaRange(name: "", least: 0, greatest: 1e10)
    static let small = COCOAreaRange(name: "small", least: 0, greatest: 1024)
    static let medium = COCOAreaRange(name: "medium", least: 1024, greatest: 9216)
    static let large = COCOAreaRange(name: "large", least: 9216, greatest: 1e10)
    /// Everybody but people under 32 x 32 pixels: the protocol of the paper's Table 4.
    static let withoutSmall = COCOAreaRange(name: "", least: 1024, greatest: 1e10)

    func excludes(_ area: Double) -> Bool { area < least || area > greatest }
}

/// Truth and detections of one picture, and how well they fit.
struct COCOPicture: Sendable {
    struct Truth: Sendable {
        let area: Double
        let isCrowd: Bool
        /// Crowds, and for keypoints people without any labelled joint.
        let isIgnored: Bool
        /// pycocotools writes down a match as the annotation's id, so that id 0 counts as no match.
        let countsAsMatch: Bool
    }

    struct Detection: Sendable {
        let score: Double
        let area: Double
    }

    let truths: [Truth]
    /// Best score first, and no more than the most that count.
    let detections: [Detection]
    /// `[detections][truths]`.
    let similarity: [Double]

    /// What became of every detection at one threshold.
    struct Outcome: Sendable {
        var isMatched: [Bool]
        var isIgnored: [Bool]
    }

    /// Pairs detections with truth, best score first, each with the truth that fits best; truth that counts comes before
    /// truth that is ignored, and a crowd may take any number.
    func matches(threshold: Double, range: COCOAreaRange) -> Outcome {
        let ignored = truths.map { $0.isIgnored || range.excludes($0.area) }
        let order = truths.indices.filter { !ignored[$0] } + truths.indices.filter { ignored[$0] }
        var taken = [Bool](repeating: false, count: truths.count)
        var outcome = Outcome(isMatched: [], isIgnored: [])
        for (d, detection) in detections.enumerated() {
            var best: Int?
            var least = min(threshold, 1 - 1e-10)
            for g in order {
                if taken[g] && !truths[g].isCrowd { continue }
                if let best, !ignored[best], ignored[g] { break }
                let fit = similarity[d * truths.count + g]
                if fit < least { continue }
                least = fit
                best = g
            }
            if let best { taken[best] = true }
            let matched = best.map { truths[$0].countsAsMatch } ?? false
            outcome.isMatched.append(matched)
            outcome.isIgnored.append(
                (best.map { ignored[$0] } ?? false) || (!matched && range.excludes(detection.area)))
        }
        return outcome
    }

    func countedTruths(_ range: COCOAreaRange) -> Int {
        truths.count { !$0.isIgnored && !range.excludes($0.area) }
    }
}
