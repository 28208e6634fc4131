public import Scene

extension Mask {
    /// The pixels inside any of these polygons, pixel by pixel as pycocotools draws them.
    ///
    /// - Parameter polygons: corners x, y, x, y... in pixels. Where the first part has four numbers, every part is a box
    ///   (left, top, width, height), as pycocotools reads it.
    public init(polygons: [[Double]], size: PixelSize) {
        let areBoxes = polygons.first?.count == 4
        var mask = Mask(size: size, runs: [UInt32(size.width * size.height)])
        for part in polygons {
            var corners = part
            if areBoxes && part.count >= 4 {
                let (left, top, right, bottom) = (part[0], part[1], part[0] + part[2], part[1] + part[3])
                corners = [left, top, left, bottom, right, bottom, right, top]
            }
            guard corners.count >= 2 else { continue }
            let drawn = Mask(size: size, runs: polygonRuns(of: corners, size: size))
            mask = mask.isEmpty ? drawn : mask.union(drawn)
        }
        self = mask
    }
}

/// The outline is walked on a grid five times finer than the pixels, one point for every step along the longer axis, then
/// kept where it passes the middle of a pixel column: there the mask changes between person and background.
///
/// Rounding follows pycocotools' `rleFrPoly` step by step, because labels and metrics depend on single pixels.
private func polygonRuns(of corners: [Double], size: PixelSize) -> [UInt32] {
    let outline = fineOutline(corners)
    var changes: [Int] = []
    for (before, point) in zip(outline, outline.dropFirst()) where point.x != before.x {
        let column = (Double(point.x < before.x ? point.x : point.x - 1) + 0.5) / finePerPixel - 0.5
        guard column == column.rounded(.down), column >= 0, column <= Double(size.width - 1) else { continue }
        let row = (Double(min(point.y, before.y)) + 0.5) / finePerPixel - 0.5
        changes.append(Int(column) * size.height + Int(min(max(row, 0), Double(size.height)).rounded(.up)))
    }
    changes.append(size.width * size.height)
    changes.sort()
    return alternatingRuns(changes)
}

private let finePerPixel = 5.0

private func fineOutline(_ corners: [Double]) -> [(x: Int, y: Int)] {
    func fine(_ value: Double) -> Int { Int(min(max(finePerPixel * value + 0.5, -1e9), 1e9)) }
    var points = stride(from: 0, to: corners.count - 1, by: 2).map { (x: fine(corners[$0]), y: fine(corners[$0 + 1])) }
    if let first = points.first { points.append(first) }
    var outline: [(x: Int, y: Int)] = []
    for (start, end) in zip(points, points.dropFirst()) {
        let (dx, dy) = (abs(end.x - start.x), abs(end.y - start.y))
        guard max(dx, dy) > 0 else {
            outline.append(start)
            continue
        }
        // Always walked upwards along the longer axis, so that a shared edge gives the same points from both sides.
        let alongX = dx >= dy
        let backwards = alongX ? start.x > end.x : start.y > end.y
        let (from, to) = backwards ? (end, start) : (start, end)
        let slope = alongX ? Double(to.y - from.y) / Double(dx) : Double(to.x - from.x) / Double(dy)
        for step in 0...max(dx, dy) {
            let t = backwards ? max(dx, dy) - step : step
            if alongX {
                outline.append((x: from.x + t, y: Int(Double(from.y) + slope * Double(t) + 0.5)))
            } else {
                outline.append((x: Int(Double(from.x) + slope * Double(t) + 0.5), y: from.y + t))
            }
        }
    }
    return outline
}

/// Sorted places of change become lengths; two changes at one place cancel each other.
private func alternatingRuns(_ changes: [Int]) -> [UInt32] {
    var runs: [UInt32] = []
    var before = 0
    var cancelled = false
    for (index, place) in changes.enumerated() {
        let length = UInt32(place - before)
        before = place
        if cancelled {
            runs[runs.count - 1] += length
            cancelled = false
        } else if length == 0 && index > 0 {
            cancelled = true
        } else {
            runs.append(length)
        }
    }
    return runs
}
