internal import CKernels

/// A 3x3 convolution of stride 1 by F(4x4, 3x3), chunk after chunk of 4x4 tiles, so that their transforms stay in the cache
/// that all cores share.
struct Winograd: @unchecked Sendable {
    /// `packed` holds the transformed weights.
    private let facts: hcq_product

    init(_ facts: hcq_product) { self.facts = facts }

    func callAsFunction(using pass: Pass) {
        let tiles = (facts.height + 3) / 4 * ((facts.width + 3) / 4)
        var size = 0
        withUnsafePointer(to: facts) { hcq_winograd_scratch($0, 1, &size) }
        // Equal chunks whose transforms take some 9 MB.
        let chunks = (tiles * size * 4 + 9_200_000 - 1) / 9_200_000
        let chunk = (tiles + chunks - 1) / chunks
        withUnsafePointer(to: facts) { hcq_winograd_scratch($0, chunk, &size) }
        let parts = facts.columns % 64 == 0 ? 2 : 1
        let width = facts.columns / parts
        pass.scope {
            let scratch = pass.tensor(1, size)
            for first in stride(from: 0, to: tiles, by: chunk) {
                let count = min(chunk, tiles - first)
                pass.run(count, by: 8) { range, _ in transformInput(first, count, range, scratch) }
                pass.run(36 * parts) { job, _ in
                    multiply(count, tap: job / parts, job % parts * width..<(job % parts + 1) * width, scratch)
                }
                pass.run(count, by: 8) { range, _ in transformOutput(first, count, range, scratch) }
            }
        }
    }

    private func transformInput(_ first: Int, _ count: Int, _ range: Range<Int>, _ scratch: Tensor) {
        withUnsafePointer(to: facts) {
            hcq_winograd_input($0, first, count, range.lowerBound, range.upperBound, scratch.data)
        }
    }

    private func multiply(_ count: Int, tap: Int, _ columns: Range<Int>, _ scratch: Tensor) {
        withUnsafePointer(to: facts) {
            hcq_winograd_product($0, count, tap, tap + 1, columns.lowerBound, columns.upperBound, scratch.data)
        }
    }

    private func transformOutput(_ first: Int, _ count: Int, _ range: Range<Int>, _ scratch: Tensor) {
        withUnsafePointer(to: facts) {
            hcq_winograd_output($0, first, count, range.lowerBound, range.upperBound, scratch.data)
        }
    }
}
