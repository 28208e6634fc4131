import Scene

/// A mask thinned to some columns, so that it can be moved and compared at little cost.
///
/// Only every `step`-th column of the frame is kept; a moved silhouette is rounded to whole kept columns and whole rows.
struct Silhouette: Sendable {
    private struct Run: Sendable {
        var top: Int32
        var end: Int32
    }

    private let frame: PixelSize
    private let step: Int
    /// Index of the first kept column.
    private let firstColumn: Int
    /// Where each kept column's runs start in `runs`, and at last their number.
    private let starts: [Int32]
    private let runs: [Run]
    /// Kept pixels.
    let area: Int

    /// nil for an empty mask.
    init?(_ mask: Mask) {
        let step = max(1, mask.size.width / 256)
        var runs: [Run] = []
        var starts: [Int32] = []
        var first = 0
        var area = 0
        mask.forEachSegment { x, y, length in
            guard x % step == 0 else { return }
            let column = x / step
            if runs.isEmpty { first = column }
            while starts.count <= column - first { starts.append(Int32(runs.count)) }
            runs.append(Run(top: Int32(y), end: Int32(y + length)))
            area += length
        }
        guard !runs.isEmpty else { return nil }
        starts.append(Int32(runs.count))
        frame = mask.size
        self.step = step
        firstColumn = first
        self.starts = starts
        self.runs = runs
        self.area = area
    }

    /// Intersection over union with `other` after this silhouette is moved by `shift`, normalised coordinates.
    func iou(movedBy shift: Point, _ other: Silhouette) -> Float {
        let shared = intersection(movedBy: shift, other)
        let union = area + other.area - shared
        return union > 0 ? Float(shared) / Float(union) : 0
    }

    /// Kept pixels that both have.
    func sharedArea(with other: Silhouette) -> Float { Float(intersection(movedBy: Point(x: 0, y: 0), other)) }

    private func intersection(movedBy shift: Point, _ other: Silhouette) -> Int {
        guard frame == other.frame else { return 0 }
        let across = Int((shift.x * Float(frame.width) / Float(step)).rounded())
        let down = Int32((shift.y * Float(frame.height)).rounded())
        let first = max(firstColumn + across, other.firstColumn)
        let end = min(firstColumn + across + starts.count - 1, other.firstColumn + other.starts.count - 1)
        guard first < end else { return 0 }
        var shared: Int32 = 0
        for column in first..<end {
            let mine = column - firstColumn - across
            let others = column - other.firstColumn
            var (i, iEnd) = (Int(starts[mine]), Int(starts[mine + 1]))
            var (j, jEnd) = (Int(other.starts[others]), Int(other.starts[others + 1]))
            while i < iEnd && j < jEnd {
                let (a, b) = (runs[i], other.runs[j])
                shared += max(0, min(a.end + down, b.end) - max(a.top + down, b.top))
                if a.end + down < b.end { i += 1 } else { j += 1 }
            }
        }
        return Int(shared)
    }

    /// Kept pixels inside `box` that are not in `other`.
    func area(inside box: Box, outside other: Silhouette?) -> Int {
        var total = 0
        let left = Int((box.x0 * Float(frame.width) / Float(step)).rounded(.up))
        let right = Int((box.x1 * Float(frame.width) / Float(step)).rounded(.down))
        let (top, bottom) = (Int32(box.y0 * Float(frame.height)), Int32(box.y1 * Float(frame.height)))
        let first = max(firstColumn, left)
        let end = min(firstColumn + starts.count - 1, right + 1)
        guard first < end else { return 0 }
        for column in first..<end {
            let mine = column - firstColumn
            for i in Int(starts[mine])..<Int(starts[mine + 1]) {
                let (a, b) = (max(runs[i].top, top), min(runs[i].end, bottom))
                guard a < b else { continue }
                total += Int(b - a)
                if let other, other.frame == frame { total -= other.covered(column: column, from: a, to: b) }
            }
        }
        return total
    }

    /// Kept pixels of `column` of the frame's kept columns in rows `from..<to`.
    private func covered(column: Int, from: Int32, to: Int32) -> Int {
        let mine = column - firstColumn
        guard mine >= 0 && mine < starts.count - 1 else { return 0 }
        var total: Int32 = 0
        for i in Int(starts[mine])..<Int(starts[mine + 1]) {
            total += max(0, min(runs[i].end, to) - max(runs[i].top, from))
        }
        return Int(total)
    }

    /// Kept pixels that a box has.
    func pixels(of box: Box) -> Int {
        let columns = max(
            0,
            Int((box.x1 * Float(frame.width) / Float(step)).rounded(.down))
                - Int((box.x0 * Float(frame.width) / Float(step)).rounded(.up)) + 1)
        return columns * max(0, Int(box.y1 * Float(frame.height)) - Int(box.y0 * Float(frame.height)))
    }
}
