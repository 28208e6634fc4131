internal import Scene

extension GroundPoint {
    /// Where a person stands: between the ankles that are seen and lie in or near the mask; else below the mask's
    /// lowest run; else the middle of the box's lower edge.
    init(of person: Person, jointConfidence: Float) {
        if let point = Self.ankles(of: person, jointConfidence: jointConfidence) {
            self.init(point: point, source: .ankles)
        } else if let mask = person.mask, let point = mask.lowestRun {
            self.init(point: point, source: .mask)
        } else {
            self.init(point: Point(x: person.box.center.x, y: person.box.y1), source: .box)
        }
    }

    private static func ankles(of person: Person, jointConfidence: Float) -> Point? {
        let seen = [Joint.leftAnkle, .rightAnkle].compactMap { person[$0] }.filter {
            $0.confidence >= jointConfidence && isNearPerson($0.position, person)
        }
        guard !seen.isEmpty else { return nil }
        let count = Float(seen.count)
        return Point(
            x: seen.reduce(0) { $0 + $1.position.x } / count, y: seen.reduce(0) { $0 + $1.position.y } / count)
    }

    /// Within a tenth of the person's height of the mask or, without a mask, of the box.
    private static func isNearPerson(_ point: Point, _ person: Person) -> Bool {
        let margin = 0.1 * person.box.height
        if let mask = person.mask, !mask.isEmpty { return mask.touches(point, within: margin) }
        let box = person.box
        return point.x >= box.x0 - margin && point.x <= box.x1 + margin && point.y >= box.y0 - margin
            && point.y <= box.y1 + margin
    }
}

extension Mask {
    /// The middle of the mask's lowest run, at its lower edge; nil for an empty mask.
    ///
    /// Columns whose lowest pixel lies within 2 % of the mask's height of the lowest one count; of their runs, the
    /// longest.
    var lowestRun: Point? {
        var lowest = [Int](repeating: -1, count: size.width)
        var top = Int.max
        forEachSegment { x, y, length in
            lowest[x] = max(lowest[x], y + length - 1)
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
