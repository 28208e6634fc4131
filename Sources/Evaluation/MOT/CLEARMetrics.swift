internal import Scene

/// The CLEAR MOT metrics of one or several sequences.
///
/// Truth and results are matched frame by frame at an overlap of 0.5, pairs of the frame before first. Source: Bernardin
/// and Stiefelhagen 2008, "Evaluating multiple object tracking performance"; details as TrackEval 1.3.0's `CLEAR`.
public struct CLEARMetrics: Sendable, Equatable {
    public private(set) var truePositives = 0
    public private(set) var falseNegatives = 0
    public private(set) var falsePositives = 0
    /// How often a person of the truth is found under another id than before.
    public private(set) var idSwitches = 0
    /// How often a person of the truth is found again after not being found.
    public private(set) var fragmentations = 0
    /// People of the truth found in more than 80 % of their frames, in 20 to 80 %, and in less.
    public private(set) var mostlyTracked = 0
    public private(set) var partlyTracked = 0
    public private(set) var mostlyLost = 0
    private var similaritySum = 0.0
    /// Whether this is one sequence in which nobody is.
    private var lacksTruth = false

    /// `1 - (misses + false positives + id switches) / boxes of the truth`. As in TrackEval 0 for a sequence without
    /// truth, while among several sequences its false positives count.
    public var mota: Double {
        if lacksTruth { return 0 }
        return ratio(Double(truePositives - falsePositives - idSwitches), Double(truePositives + falseNegatives))
    }
    /// Mean overlap of matched boxes, 0...1.
    public var motp: Double { ratio(similaritySum, Double(truePositives)) }
    public var recall: Double { ratio(Double(truePositives), Double(truePositives + falseNegatives)) }
    public var precision: Double { ratio(Double(truePositives), Double(truePositives + falsePositives)) }

    public init(_ sequence: MOTSequence) {
        guard sequence.resultBoxes > 0 else {
            falseNegatives = sequence.truthBoxes
            mostlyLost = sequence.truthIDs
            return
        }
        guard sequence.truthBoxes > 0 else {
            falsePositives = sequence.resultBoxes
            lacksTruth = true
            return
        }
        var people = [Person](repeating: Person(), count: sequence.truthIDs)
        for frame in sequence.frames { count(frame, people: &people) }
        for person in people {
            fragmentations += max(0, person.stretches - 1)
            let share = Double(person.found) / Double(person.frames)
            if share > 0.8 { mostlyTracked += 1 } else if share >= 0.2 { partlyTracked += 1 } else { mostlyLost += 1 }
        }
    }

    /// Several sequences together.
    public init(combining parts: [CLEARMetrics]) {
        for part in parts {
            truePositives += part.truePositives
            falseNegatives += part.falseNegatives
            falsePositives += part.falsePositives
            idSwitches += part.idSwitches
            fragmentations += part.fragmentations
            mostlyTracked += part.mostlyTracked
            partlyTracked += part.partlyTracked
            mostlyLost += part.mostlyLost
            similaritySum += part.similaritySum
        }
    }

    /// What is known of a person of the truth while frames pass.
    private struct Person {
        var frames = 0
        var found = 0
        /// Unbroken runs of frames in which the person is found.
        var stretches = 0
        /// Under which id last.
        var last: Int?
        /// Under which id in the frame before.
        var before: Int?
    }

    private mutating func count(_ frame: MOTSequence.Frame, people: inout [Person]) {
        // A frame without truth or without results does not break a stretch: TrackEval's reading.
        guard !frame.truth.isEmpty else {
            falsePositives += frame.results.count
            return
        }
        for id in frame.truth { people[id].frames += 1 }
        guard !frame.results.isEmpty else {
            falseNegatives += frame.truth.count
            return
        }
        let pairs = matches(frame, people: people)
        var now = [Int?](repeating: nil, count: people.count)
        for pair in pairs {
            let (id, result) = (frame.truth[pair.row], frame.results[pair.column])
            if let last = people[id].last, last != result { idSwitches += 1 }
            people[id].found += 1
            people[id].last = result
            if people[id].before == nil { people[id].stretches += 1 }
            now[id] = result
            similaritySum += frame.similarity(pair.row, pair.column)
        }
        for id in people.indices { people[id].before = now[id] }
        truePositives += pairs.count
        falseNegatives += frame.truth.count - pairs.count
        falsePositives += frame.results.count - pairs.count
    }

    private func matches(_ frame: MOTSequence.Frame, people: [Person]) -> [(row: Int, column: Int)] {
        var scores: [Double] = []
        for (i, id) in frame.truth.enumerated() {
            for (j, result) in frame.results.enumerated() {
                let similarity = frame.similarity(i, j)
                let kept = people[id].before == result ? 1000.0 : 0.0
                scores.append(similarity < 0.5 - Double.ulpOfOne ? 0 : kept + similarity)
            }
        }
        return minimumCostAssignment(
            rows: frame.truth.count, columns: frame.results.count, costs: scores.map { -$0 }
        ).filter { scores[$0.row * frame.results.count + $0.column] > Double.ulpOfOne }
    }
}

/// `a / b`, with at least 1 below: no truth at all gives 0.
func ratio(_ a: Double, _ b: Double) -> Double { a / max(1, b) }
