internal import Scene

extension GroundPoint {
    /// Where a person stands: between the ankles that are seen and lie in or near the mask; else below the mask's
    /// lowest run; else the middle of the box's lower edge.
    init(of person: Person, jointConfidence: Float) {
        if let point = Self.ankles(of: person, jointConfidence: jointConfidence) {
            self.init(point: point, source: .ankles)
        } else if let point = person.mask?.lowestRun(in: person.box) {
            self.init(point: point, source: .mask)
        } else {
            self.init(point: Point(x: person.box.center.x, y: person.box.y1), source: .box)
        }
    }

    private static func ankles(of person: Person, jointConfidence: Float) -> Point? {
        let seen = [Joint.leftAnkle, .rightAnkle].compactMap { person[$0] }.filter {
            $0.confidence >= jointConfidence && person.isNear($0.position)
        }
        guard !seen.isEmpty else { return nil }
        let count = Float(seen.count)
        return Point(
            x: seen.reduce(0) { $0 + $1.position.x } / count, y: seen.reduce(0) { $0 + $1.position.y } / count)
    }
}

extension Person {
    /// Whether a point may belong to this person: in or near the box and, where there is one, the mask. A joint of another
    /// person, or one in a stray piece of the mask, does not.
    func isNear(_ point: Point) -> Bool {
        let margin = 0.1 * box.height
        guard point.x >= box.x0 - margin, point.x <= box.x1 + margin, point.y >= box.y0 - margin,
            point.y <= box.y1 + margin
        else { return false }
        guard let mask, !mask.isEmpty else { return true }
        return mask.touches(point, within: margin)
    }
}

extension Mask {
    /// The middle of the lowest run of what lies in the box, at its lower edge; nil when nothing does.
    ///
    /// Columns whose lowest pixel lies within 2 % of the mask's height of the lowest one count; of their runs, the longest.
    func lowestRun(in box: Box) -> Point? {
        let (width, height) = (Float(size.width), Float(size.height))
        let margin = 0.05 * box.height
        let columns = ((box.x0 - margin) * width)...max((box.x0 - margin) * width, (box.x1 + margin) * width)
        let end = Int(min(max((box.y1 + margin) * height, 0), height).rounded(.up))
        var lowest = [Int](repeating: -1, count: size.width)
        var top = Int.max
        forEachSegment { x, y, length in
            guard columns.contains(Float(x) + 0.5), y < end else { return }
            lowest[x] = max(lowest[x], min(y + length, end) - 1)
            top = min(top, y)
        }
        guard let bottom = lowest.max(), bottom >= 0 else { return nil }
        let threshold = bottom - max(1, (bottom - top) / 50)
        var (best, start): (Range<Int>, Int?) = (0..<0, nil)
        for x in 0...size.width {
            if x < size.width, lowest[x] >= threshold {
                if start == nil { start = x }
            } else if let first = start {
                if x - first > best.count { best = first..<x }
                start = nil
            }
        }
        let middle = Float(best.lowerBound + best.upperBound) / 2
        return Point(x: middle / Float(size.width), y: Float(bottom + 1) / Float(size.height))
    }

    /// Whether a person pixel lies within `margin` frame heights of `point`, measured as a square.
    func touches(_ point: Point, within margin: Float) -> Bool {
        let radius = margin * Float(size.height)
        let (x, y) = (point.x * Float(size.width), point.y * Float(size.height))
        var found = false
        forEachSegment { column, row, length in
            let isBeside = abs(Float(column) + 0.5 - x) <= radius + 0.5
            if isBeside, Float(row) - radius <= y, Float(row + length) + radius >= y { found = true }
        }
        return found
    }
}
