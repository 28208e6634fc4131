import Foundation
import Testing

@testable import Engine

/// Which proposals start the queries.
@Suite struct ProposalTests {
    /// Boxes and choice of a small pyramid with seeded predictions.
    private func chosen(queries: Int, threshold: Float, seed: UInt64, tied: Bool) -> (found: [Float], expected: [Float])
    {
        // Strides 8, 16, 32, 64 of a picture of 160 x 96.
        let sizes = [(12, 20), (6, 10), (3, 5), (2, 3)]
        let memory = Inputs()
        let maps = sizes.map { memory.map([Float](repeating: 0, count: $0.0 * $0.1), $0.0, $0.1, 1) }
        let pyramid = Pyramid(
            stride4: maps[0], stride8: maps[0], stride16: maps[1], stride32: maps[2], stride64: maps[3])
        let count = sizes.reduce(0) { $0 + $1.0 * $1.1 }
        var noise = Noise(seed: seed)
        let predictions = noise.normal(count * 33, 2).enumerated().map { i, value in
            tied && i % 33 == 0 ? Float(i / 33 % 4) : value
        }
        let found = result(1, queries) { pass, y in
            let proposals = Proposals(pyramid, maps[3], outputs: 33, using: pass)
            let selection = ProposalSelection(queries: queries, using: pass)
            pass.run(1) { _, _ in
                proposals.predictions.data.update(from: predictions, count: predictions.count)
                selection.select(proposals, threshold: threshold)
                y.data.update(from: selection.chosen.data, count: queries)
            }
        }
        return (found, definition(predictions, sizes, queries, Double(threshold)))
    }

    private func definition(_ predictions: [Float], _ sizes: [(Int, Int)], _ queries: Int, _ threshold: Double)
        -> [Float]
    {
        var (boxes, logits): ([[Double]], [Float]) = ([], [])
        var at = 0
        for (level, (height, width)) in sizes.enumerated() {
            let stride = Double(8 << level)
            for place in 0..<height * width {
                logits.append(predictions[at])
                let sides = (0..<4).map { side in
                    let weights = (0..<8).map { exp(Double(predictions[at + 1 + 8 * side + $0])) }
                    return stride * weights.enumerated().reduce(0) { $0 + Double($1.0) * $1.1 } / weights.reduce(0, +)
                }
                let (x, y) = ((Double(place % width) + 0.5) * stride, (Double(place / width) + 0.5) * stride)
                boxes.append([(x - sides[0]) / 160, (y - sides[1]) / 96, (x + sides[2]) / 160, (y + sides[3]) / 96])
                at += 33
            }
        }
        let order = logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }.prefix(256)
        var (kept, aside): ([Int], [Int]) = ([], [])
        for i in order {
            let overlaps = kept.contains { j in
                let (a, b) = (boxes[i], boxes[j])
                let shared = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
                func area(_ box: [Double]) -> Double { (box[2] - box[0]) * (box[3] - box[1]) }
                return shared / (area(a) + area(b) - shared) > threshold
            }
            if overlaps { aside.append(i) } else { kept.append(i) }
        }
        let sequence = kept.map { Float($0) } + aside.map { Float(-1 - $0) }
        return (0..<queries).map { sequence[$0 % sequence.count] }
    }

    @Test(arguments: [1, 30, 300, 600], [Float(0.3), 0.7, 1])
    func choiceMatchesDefinition(queries: Int, threshold: Float) {
        for seed in 1...3 {
            let (found, expected) = chosen(queries: queries, threshold: threshold, seed: UInt64(seed), tied: false)
            #expect(found == expected)
        }
    }

    @Test func equalLogitsGoByPosition() {
        let (found, expected) = chosen(queries: 64, threshold: 0.7, seed: 5, tied: true)
        #expect(found == expected)
    }
}
