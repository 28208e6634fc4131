internal import Scene

/// Whose rules say which boxes of truth and results count.
public enum MOTBenchmark: String, Sendable, CaseIterable {
    case mot15, mot16, mot17, mot20

    /// MOT15's truth has ten columns and no classes.
    public init(truth: MOTFile, name: String) {
        if name.uppercased().hasPrefix("MOT20") { self = .mot20 } else { self = truth.columns == 9 ? .mot17 : .mot15 }
    }

    /// Classes of truth that a result may follow without being counted: people on vehicles (2), static people (7),
    /// distractors (8), reflections (12), and in MOT20 vehicles (6).
    var distractors: Set<Int> { self == .mot20 ? [2, 6, 7, 8, 12] : [2, 7, 8, 12] }
}

/// Truth and results of one sequence, ready to be measured: ids are 0, 1, 2..., boxes that do not count are gone.
public struct MOTSequence: Sendable {
    /// One frame.
    struct Frame: Sendable {
        /// Of the boxes of the truth.
        var truth: [Int]
        /// Of the boxes of the results.
        var results: [Int]
        /// `[truth][results]`, intersection over union.
        var similarity: [Double]

        func similarity(_ truth: Int, _ result: Int) -> Double { similarity[truth * results.count + result] }
    }

    public let name: String
    let frames: [Frame]
    /// Number of different ids.
    let truthIDs: Int
    let resultIDs: Int

    var truthBoxes: Int { frames.reduce(0) { $0 + $1.truth.count } }
    var resultBoxes: Int { frames.reduce(0) { $0 + $1.results.count } }

    /// Pairs truth and results by TrackEval's rules for MOTChallenge boxes.
    ///
    /// Boxes of truth with confidence 0 do not count. From MOT16 on only pedestrians (class 1) count, and a result that
    /// matches a distractor at an overlap of 0.5 is taken away.
    /// - Parameter frames: the sequence's length.
    /// - Throws: `.duplicateID`, `.frameOutside`.
    public init(
        name: String, truth: MOTFile, results: MOTFile, frames: Int, benchmark: MOTBenchmark
    ) throws(EvaluationError) {
        let truths = try boxesByFrame(truth, frames: frames)
        let found = try boxesByFrame(results, frames: frames)
        var prepared: [(truth: [MOTBox], results: [MOTBox])] = []
        for (truth, results) in zip(truths, found) {
            var results = results
            var truth = truth
            if benchmark != .mot15 {
                let removed = matchesOfDistractors(truth: truth, results: results, benchmark: benchmark)
                results = results.enumerated().filter { !removed.contains($0.offset) }.map(\.element)
                truth = truth.filter { $0.category == 1 }
            }
            prepared.append((truth.filter { Int($0.confidence) != 0 }, results))
        }
        let truthNumbers = numbers(of: prepared.flatMap(\.truth))
        let resultNumbers = numbers(of: prepared.flatMap(\.results))
        self.name = name
        truthIDs = truthNumbers.count
        resultIDs = resultNumbers.count
        self.frames = prepared.map { frame in
            Frame(
                truth: frame.truth.map { truthNumbers[$0.id] ?? 0 },
                results: frame.results.map { resultNumbers[$0.id] ?? 0 },
                similarity: frame.truth.flatMap { truth in frame.results.map { truth.iou($0) } })
        }
    }
}

private func boxesByFrame(_ file: MOTFile, frames: Int) throws(EvaluationError) -> [[MOTBox]] {
    var byFrame = [[MOTBox]](repeating: [], count: frames)
    for box in file.boxes {
        guard (1...max(1, frames)).contains(box.frame), frames > 0 else {
            throw .frameOutside(path: file.path, frame: box.frame, frames: frames)
        }
        byFrame[box.frame - 1].append(box)
    }
    for boxes in byFrame {
        var seen: Set<Int> = []
        for box in boxes where !seen.insert(box.id).inserted {
            throw .duplicateID(path: file.path, frame: box.frame, id: box.id)
        }
    }
    return byFrame
}

/// Indices of the results that match a distractor best.
private func matchesOfDistractors(truth: [MOTBox], results: [MOTBox], benchmark: MOTBenchmark) -> Set<Int> {
    let scores = truth.flatMap { truth in
        results.map { result in
            let iou = truth.iou(result)
            return iou < 0.5 - Double.ulpOfOne ? 0 : iou
        }
    }
    let pairs = minimumCostAssignment(rows: truth.count, columns: results.count, costs: scores.map { -$0 })
    return Set(
        pairs.filter { scores[$0.row * results.count + $0.column] > Double.ulpOfOne }
            .filter { benchmark.distractors.contains(truth[$0.row].category ?? 1) }
            .map(\.column))
}

/// Ids in rising order become 0, 1, 2...
private func numbers(of boxes: [MOTBox]) -> [Int: Int] {
    var numbers: [Int: Int] = [:]
    for (number, id) in Set(boxes.map(\.id)).sorted().enumerated() { numbers[id] = number }
    return numbers
}
