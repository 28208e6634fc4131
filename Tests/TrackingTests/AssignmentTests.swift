import Scene
import Testing
import TestTools

@Suite struct AssignmentTests {
    /// The least total over all ways to pair, by trying them.
    private func least(_ rows: Int, _ columns: Int, _ costs: [Double]) -> Double {
        func search(_ row: Int, _ used: Int, _ skips: Int) -> Double {
            guard row < rows else { return 0 }
            var best = skips > 0 ? search(row + 1, used, skips - 1) : .infinity
            for column in 0..<columns where used & (1 << column) == 0 {
                best = min(best, costs[row * columns + column] + search(row + 1, used | (1 << column), skips))
            }
            return best
        }
        return search(0, 0, max(0, rows - columns))
    }

    @Test(arguments: [(1, 1), (1, 5), (5, 1), (3, 3), (4, 6), (6, 4), (6, 6)])
    func isGloballyOptimal(rows: Int, columns: Int) {
        var random = SplitMix(seed: UInt64(rows * 31 + columns))
        for _ in 0..<50 {
            let costs = (0..<rows * columns).map { _ in Double(random.next() % 9) - 3 }
            let pairs = minimumCostAssignment(rows: rows, columns: columns, costs: costs)
            #expect(pairs.count == min(rows, columns))
            #expect(Set(pairs.map(\.row)).count == pairs.count && Set(pairs.map(\.column)).count == pairs.count)
            #expect(pairs.map { costs[$0.row * columns + $0.column] }.reduce(0, +) == least(rows, columns, costs))
        }
    }

    @Test func nothingToPair() {
        #expect(minimumCostAssignment(rows: 0, columns: 3, costs: []).isEmpty)
        #expect(minimumCostAssignment(rows: 3, columns: 0, costs: []).isEmpty)
    }

    // scipy 1.17.1, linear_sum_assignment of these matrices: which of the equally good answers it takes.
    @Test func resolvesTiesAsScipyDoes() {
        func columns(_ rows: Int, _ columns: Int, _ costs: [Double]) -> [[Int]] {
            minimumCostAssignment(rows: rows, columns: columns, costs: costs).map { [$0.row, $0.column] }
        }
        #expect(columns(3, 3, [0, 0, 0, 0, 0, 0, 0, 0, 0]) == [[0, 0], [1, 1], [2, 2]])
        #expect(columns(2, 4, [1, 0, 0, 0, 0, 1, 1, 1]) == [[0, 1], [1, 0]])
        #expect(columns(4, 2, [0, 0, 0, 0, 1, 0, 0, 0]) == [[0, 0], [1, 1]])
        #expect(
            columns(4, 5, [1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 1]) == [
                [0, 4], [1, 0], [2, 2], [3, 3],
            ])
        #expect(
            columns(5, 5, [1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1]) == [
                [0, 3], [1, 4], [2, 1], [3, 2], [4, 0],
            ])
    }
}
