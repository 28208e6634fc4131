internal import CKernels
internal import Glibc
internal import Scene

/// Turns a network's output into people: scores, thresholds, masks for kept people only, and coordinates from the padded
/// input back to the frame.
struct PeopleExtraction: Sendable {
    /// Masks that are computed together.
    private static let batch = 8
    /// A mask logit outside the box, where a mask ends at its box.
    private static let outside: Float = -4
    private let configuration: NetworkConfiguration
    /// Indices of kept queries, best first.
    private var kept: [Int] = []
    private var scores: [Float]
    private var resampling: MaskResampling?

    init(_ configuration: NetworkConfiguration) {
        self.configuration = configuration
        scores = [Float](repeating: 0, count: configuration.queries)
        kept.reserveCapacity(configuration.queries)
    }

    /// Takes in a plan what `callAsFunction` takes.
    func reserve(_ output: NetworkOutput, using pass: Pass) {
        let batch = min(Self.batch, configuration.queries)
        pass.scope { masks(of: 0..<batch, output, using: pass) { _ in } }
        pass.run(1, scratch: Self.maskScratch(output)) { _, _ in }
    }

    mutating func callAsFunction(
        _ output: NetworkOutput, _ settings: PeopleSettings, frame: PixelSize, input: PixelSize, content: PixelSize,
        using pass: Pass
    ) -> [Person] {
        keep(output, settings)
        if kept.isEmpty { return [] }
        let scaleX = Float(input.width) / Float(content.width)
        let scaleY = Float(input.height) / Float(content.height)
        var people: [Person] = []
        people.reserveCapacity(kept.count)
        for query in kept { people.append(person(query, output, scaleX, scaleY)) }
        if settings.masks { addMasks(to: &people, output, frame: frame, input: input, content: content, using: pass) }
        return people
    }

    // MARK: who

    /// Scores every query; those with a real box and a score at the threshold or above stay, best first.
    private mutating func keep(_ output: NetworkOutput, _ settings: PeopleSettings) {
        kept.removeAll(keepingCapacity: true)
        for query in 0..<configuration.queries {
            let logits = output.classLogits.row(query)
            scores[query] = 1 / (1 + exp(logits[1] - logits[0]))
            let key = output.regression.keypoints.row(query)
            // A comparison with a number that is none is false.
            if scores[query] >= settings.scoreThreshold && key[2] > key[0] && key[3] > key[1] { kept.append(query) }
        }
        kept.sort { (scores[$1], $0) < (scores[$0], $1) }
    }

    private func person(_ query: Int, _ output: NetworkOutput, _ scaleX: Float, _ scaleY: Float) -> Person {
        let key = output.regression.keypoints.row(query)
        let joints = output.regression.joints.row(query)
        let sigma = output.regression.poseSigma?.row(query)
        let count = output.regression.joints.columns / 2
        let keypoints = (0..<count).map { i in
            Keypoint(
                position: Point(x: joints[2 * i] * scaleX, y: joints[2 * i + 1] * scaleY),
                confidence: sigma.map { 1 - ($0[2 * i] + $0[2 * i + 1]) / 2 } ?? scores[query])
        }
        return Person(
            box: Box(x0: key[0] * scaleX, y0: key[1] * scaleY, x1: key[2] * scaleX, y1: key[3] * scaleY),
            score: scores[query], keypoints: keypoints,
            embedding: Array(UnsafeBufferPointer(start: output.embeddings.row(query), count: configuration.hiddenDim)))
    }

    // MARK: masks

    private mutating func addMasks(
        to people: inout [Person], _ output: NetworkOutput, frame: PixelSize, input: PixelSize, content: PixelSize,
        using pass: Pass
    ) {
        let wanted = MaskResampling.Key(frame: frame, input: input, content: content)
        if resampling?.key != wanted { resampling = MaskResampling(wanted) }
        guard let resampling else { return }
        let (isCut, keys, queries) = (configuration.maskInBox == 1, output.regression.keypoints, kept)
        let (height, width) = (output.fine.height, output.fine.width)
        var first = 0
        while first < kept.count {
            let range = first..<min(first + Self.batch, kept.count)
            people.withUnsafeMutableBufferPointer { people in
                nonisolated(unsafe) let people = people
                pass.scope {
                    masks(of: range, output, using: pass) { logits in
                        pass.run(range.count, scratch: Self.maskScratch(output)) { i, scratch in
                            let row = logits.rows(i..<i + 1)
                            if isCut { Self.cut(row, to: keys.row(queries[range.lowerBound + i]), height, width) }
                            let (mask, certainty) = resampling.mask(row, scratch: scratch)
                            people[range.lowerBound + i].mask = mask
                            people[range.lowerBound + i].maskScore = people[range.lowerBound + i].score * certainty
                        }
                    }
                }
            }
            first = range.upperBound
        }
    }

    /// Lowers mask logits whose position has its centre outside the box (the first four numbers of `key`) to
    /// `outside` at most.
    ///
    /// Twin: `hcqnet/predict.py`, `cut_to_box`.
    private static func cut(_ logits: Tensor, to key: UnsafePointer<Float>, _ height: Int, _ width: Int) {
        for y in 0..<height {
            let centre = (Float(y) + 0.5) / Float(height)
            let isRow = centre >= key[1] && centre <= key[3]
            for x in 0..<width {
                let centre = (Float(x) + 0.5) / Float(width)
                if isRow && centre >= key[0] && centre <= key[2] { continue }
                logits.data[y * width + x] = min(logits.data[y * width + x], outside)
            }
        }
    }

    /// Mask logits of some kept queries, `[n, positions]`.
    private func masks(
        of range: Range<Int>, _ output: NetworkOutput, using pass: Pass, _ body: (Tensor) -> Void
    ) {
        let rows = pass.tensor(Self.batch, configuration.hiddenDim).rows(0..<range.count)
        let offsets = pass.tensor(Self.batch, 1).rows(0..<range.count)
        let logits = pass.tensor(Self.batch, output.fine.tokens.rows).rows(0..<range.count)
        pass.run(1) { _, _ in
            for (i, position) in range.enumerated() {
                memcpy(rows.row(i), output.masks.vectors.row(kept[position]), rows.columns * 4)
                offsets.data[i] = output.masks.offsets.data[kept[position]]
            }
        }
        MaskEmbeddings.multiply(rows, offsets, output.fine, into: logits, using: pass)
        body(logits)
    }

    private static func maskScratch(_ output: NetworkOutput) -> Int {
        MaskResampling.scratch(height: output.fine.height, width: output.fine.width)
    }
}
