internal import Scene

/// The identity metrics of one or several sequences: every person of the truth is paired with one id for the whole
/// sequence.
///
/// Source: Ristani et al. 2016, "Performance measures and a data set for multi-target, multi-camera tracking"; details as
/// TrackEval 1.3.0's `Identity`.
public struct IdentityMetrics: Sendable, Equatable {
    public private(set) var truePositives = 0
    public private(set) var falseNegatives = 0
    public private(set) var falsePositives = 0

    public var idf1: Double {
        ratio(
            Double(truePositives),
            Double(truePositives) + 0.5 * Double(falsePositives) + 0.5 * Double(falseNegatives))
    }
    public var recall: Double { ratio(Double(truePositives), Double(truePositives + falseNegatives)) }
    public var precision: Double { ratio(Double(truePositives), Double(truePositives + falsePositives)) }

    public init(_ sequence: MOTSequence) {
        let (people, ids) = (sequence.truthIDs, sequence.resultIDs)
        var together = [Double](repeating: 0, count: people * ids)
        for frame in sequence.frames {
            for (i, person) in frame.truth.enumerated() {
                for (j, id) in frame.results.enumerated() where frame.similarity(i, j) >= 0.5 {
                    together[person * ids + id] += 1
                }
            }
        }
        // The pairing with the least misses and false positives is the one with the most frames together: a person or
        // an id that stays alone adds the same to both sides as a pair that never meets.
        let pairs = minimumCostAssignment(rows: people, columns: ids, costs: together.map { -$0 })
        truePositives = Int(pairs.reduce(0) { $0 + together[$1.row * ids + $1.column] })
        falseNegatives = sequence.truthBoxes - truePositives
        falsePositives = sequence.resultBoxes - truePositives
    }

    /// Several sequences together.
    public init(combining parts: [IdentityMetrics]) {
        for part in parts {
            truePositives += part.truePositives
            falseNegatives += part.falseNegatives
            falsePositives += part.falsePositives
        }
    }
}
