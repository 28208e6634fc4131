internal import Glibc

/// Which proposals start the queries: the best ones, those that overlap a better one last.
///
/// Distinct queries by suppression before the decoder: Zhang et al. 2023, DDQ, arXiv:2303.12776. Twin: `hcqnet/proposals.py`,
/// `select`.
struct ProposalSelection: Sendable {
    /// Best positions that enter the suppression.
    static let candidates = 256
    /// Of the queries: positions, those set aside as -1 - position; `[1, Q]`.
    let chosen: Tensor
    /// Candidates, best first, their logits and their boxes.
    private let order: Tensor
    private let logits: Tensor
    private let boxes: Tensor
    private let isAside: Tensor

    init(queries: Int, using pass: Pass) {
        chosen = pass.tensor(1, queries)
        order = pass.tensor(1, Self.candidates)
        logits = pass.tensor(1, Self.candidates)
        boxes = pass.tensor(Self.candidates, 4)
        isAside = pass.tensor(1, Self.candidates)
    }

    /// - Parameter threshold: intersection over union above which a proposal gives way to a better one.
    func select(_ proposals: Proposals, threshold: Float) {
        let count = findCandidates(proposals)
        for i in 0..<count {
            let row = boxes.row(i)
            (row[0], row[1], row[2], row[3]) = proposals.box(Int(order.data[i]))
            isAside.data[i] = (0..<i).contains { isAside.data[$0] == 0 && iou(i, $0) > threshold } ? 1 : 0
        }
        var filled = 0
        while filled < chosen.columns {
            let before = filled
            fill(count, aside: 0, from: &filled)
            fill(count, aside: 1, from: &filled)
            // Nothing proposes anything: logits that are no numbers.
            if filled == before {
                chosen.data[filled] = 0
                filled += 1
            }
        }
    }

    private func fill(_ count: Int, aside: Float, from filled: inout Int) {
        for i in 0..<count where isAside.data[i] == aside && filled < chosen.columns {
            chosen.data[filled] = aside == 0 ? order.data[i] : -1 - order.data[i]
            filled += 1
        }
    }

    /// The highest logits in falling order, equal ones by position. Insertion keeps it free of allocation.
    private func findCandidates(_ proposals: Proposals) -> Int {
        var count = 0
        for position in 0..<proposals.predictions.rows {
            let logit = proposals.logit(position)
            guard logit == logit else { continue }
            if count == Self.candidates && !(logit > logits.data[count - 1]) { continue }
            let place = self.place(of: logit, among: count)
            let moved = min(count, Self.candidates - 1) - place
            memmove(order.data + place + 1, order.data + place, moved * 4)
            memmove(logits.data + place + 1, logits.data + place, moved * 4)
            (order.data[place], logits.data[place]) = (Float(position), logit)
            count = min(count + 1, Self.candidates)
        }
        return count
    }

    /// Behind those that are as high.
    private func place(of logit: Float, among count: Int) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if logits.data[middle] >= logit { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func iou(_ i: Int, _ j: Int) -> Float {
        let (a, b) = (boxes.row(i), boxes.row(j))
        let width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
        let height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
        let shared = width * height
        let area = { (box: UnsafeMutablePointer<Float>) in max(box[2] - box[0], 0) * max(box[3] - box[1], 0) }
        return shared / max(area(a) + area(b) - shared, 1e-9)
    }
}
