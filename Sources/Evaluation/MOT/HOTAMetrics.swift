internal import Scene

/// Higher order tracking accuracy of one or several sequences, over overlaps of 0.05 to 0.95.
///
/// `HOTA = sqrt(DetA AssA)` at each least overlap. Source: Luiten et al. 2021, "HOTA: a higher order metric for
/// evaluating multi-object tracking", IJCV; details as TrackEval 1.3.0's `HOTA`.
public struct HOTAMetrics: Sendable, Equatable {
    /// The least overlaps.
    public static let thresholds: [Double] = (0..<19).map { 0.05 + Double($0) * 0.05 }

    /// One number for every threshold.
    private var truePositives: [Double]
    private var falseNegatives: [Double]
    private var falsePositives: [Double]
    private var association: [Double]
    private var associationRecall: [Double]
    private var associationPrecision: [Double]
    private var localisation: [Double]

    /// Means over the thresholds, 0...1.
    public var hota: Double { mean(Self.thresholds.indices.map { (detection($0) * association[$0]).squareRoot() }) }
    public var detA: Double { mean(Self.thresholds.indices.map(detection)) }
    public var assA: Double { mean(association) }
    public var assRe: Double { mean(associationRecall) }
    public var assPr: Double { mean(associationPrecision) }
    public var locA: Double { mean(localisation) }
    public var detRe: Double { mean(zip(truePositives, falseNegatives).map { ratio($0, $0 + $1) }) }
    public var detPr: Double { mean(zip(truePositives, falsePositives).map { ratio($0, $0 + $1) }) }

    private func detection(_ a: Int) -> Double {
        ratio(truePositives[a], truePositives[a] + falseNegatives[a] + falsePositives[a])
    }

    private init() {
        let zeros = [Double](repeating: 0, count: Self.thresholds.count)
        (truePositives, falseNegatives, falsePositives) = (zeros, zeros, zeros)
        (association, associationRecall, associationPrecision, localisation) = (zeros, zeros, zeros, zeros)
    }

    public init(_ sequence: MOTSequence) {
        self.init()
        guard sequence.truthBoxes > 0 && sequence.resultBoxes > 0 else {
            for a in Self.thresholds.indices {
                falseNegatives[a] = Double(sequence.truthBoxes)
                falsePositives[a] = Double(sequence.resultBoxes)
                localisation[a] = 1
            }
            return
        }
        let alignment = Alignment(sequence)
        let size = sequence.truthIDs * sequence.resultIDs
        var together = [[Double]](repeating: [Double](repeating: 0, count: size), count: Self.thresholds.count)
        for frame in sequence.frames { match(frame, alignment, together: &together) }
        for a in Self.thresholds.indices { associate(a, together[a], alignment) }
    }

    /// Several sequences together: detections are summed, the rest averaged over true positives.
    public init(combining parts: [HOTAMetrics]) {
        self.init()
        for a in Self.thresholds.indices {
            for part in parts {
                let weight = part.truePositives[a]
                truePositives[a] += weight
                falseNegatives[a] += part.falseNegatives[a]
                falsePositives[a] += part.falsePositives[a]
                association[a] += weight * part.association[a]
                associationRecall[a] += weight * part.associationRecall[a]
                associationPrecision[a] += weight * part.associationPrecision[a]
                localisation[a] += weight * part.localisation[a]
            }
            let total = truePositives[a]
            association[a] = ratio(association[a], total)
            associationRecall[a] = ratio(associationRecall[a], total)
            associationPrecision[a] = ratio(associationPrecision[a], total)
            localisation[a] = max(1e-10, localisation[a]) / max(1e-10, total)
        }
    }

    /// How well each id fits each person over the whole sequence.
    private struct Alignment {
        let ids: Int
        /// Boxes of every person of the truth, and of every id.
        var truthCounts: [Double]
        var resultCounts: [Double]
        /// `[people][ids]`.
        var scores: [Double]

        init(_ sequence: MOTSequence) {
            ids = sequence.resultIDs
            truthCounts = [Double](repeating: 0, count: sequence.truthIDs)
            resultCounts = [Double](repeating: 0, count: ids)
            scores = [Double](repeating: 0, count: sequence.truthIDs * ids)
            for frame in sequence.frames { add(frame) }
            for person in truthCounts.indices {
                for id in 0..<ids {
                    let shared = scores[person * ids + id]
                    scores[person * ids + id] = shared / (truthCounts[person] + resultCounts[id] - shared)
                }
            }
        }

        private mutating func add(_ frame: MOTSequence.Frame) {
            var (ofTruth, ofResults) = (
                [Double](repeating: 0, count: frame.truth.count), [Double](repeating: 0, count: frame.results.count)
            )
            for i in frame.truth.indices {
                for j in frame.results.indices {
                    ofTruth[i] += frame.similarity(i, j)
                    ofResults[j] += frame.similarity(i, j)
                }
            }
            for (i, person) in frame.truth.enumerated() {
                truthCounts[person] += 1
                for (j, id) in frame.results.enumerated() {
                    let union = ofResults[j] + ofTruth[i] - frame.similarity(i, j)
                    if union > Double.ulpOfOne { scores[person * ids + id] += frame.similarity(i, j) / union }
                }
            }
            for id in frame.results { resultCounts[id] += 1 }
        }
    }

    private mutating func match(_ frame: MOTSequence.Frame, _ alignment: Alignment, together: inout [[Double]]) {
        var scores: [Double] = []
        for (i, person) in frame.truth.enumerated() {
            for (j, id) in frame.results.enumerated() {
                scores.append(alignment.scores[person * alignment.ids + id] * frame.similarity(i, j))
            }
        }
        let pairs = minimumCostAssignment(
            rows: frame.truth.count, columns: frame.results.count, costs: scores.map { -$0 })
        for (a, threshold) in Self.thresholds.enumerated() {
            var found = 0.0
            for pair in pairs {
                let similarity = frame.similarity(pair.row, pair.column)
                guard similarity >= threshold - Double.ulpOfOne else { continue }
                found += 1
                localisation[a] += similarity
                together[a][frame.truth[pair.row] * alignment.ids + frame.results[pair.column]] += 1
            }
            truePositives[a] += found
            falseNegatives[a] += Double(frame.truth.count) - found
            falsePositives[a] += Double(frame.results.count) - found
        }
    }

    private mutating func associate(_ a: Int, _ together: [Double], _ alignment: Alignment) {
        var (accuracy, recall, precision) = (0.0, 0.0, 0.0)
        for person in alignment.truthCounts.indices {
            for id in 0..<alignment.ids {
                let count = together[person * alignment.ids + id]
                guard count > 0 else { continue }
                let (truth, result) = (alignment.truthCounts[person], alignment.resultCounts[id])
                accuracy += count * ratio(count, truth + result - count)
                recall += count * ratio(count, truth)
                precision += count * ratio(count, result)
            }
        }
        association[a] = ratio(accuracy, truePositives[a])
        associationRecall[a] = ratio(recall, truePositives[a])
        associationPrecision[a] = ratio(precision, truePositives[a])
        localisation[a] = max(1e-10, localisation[a]) / max(1e-10, truePositives[a])
    }
}

private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
