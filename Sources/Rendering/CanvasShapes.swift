internal import Scene

/// A position in pixels; (0, 0) is the corner of the top left pixel, whose centre is (0.5, 0.5).
struct PixelPoint: Equatable {
    var x: Float
    var y: Float
}

/// Anti-aliased shapes: a pixel's coverage follows from the distance of its centre to the shape's edge.
extension Canvas {
    func position(_ point: Point) -> PixelPoint {
        // What lies far outside is drawn as if it lay near outside: the loops stay short.
        func bound(_ v: Float) -> Float { v.isFinite ? min(max(v, -2), 3) : 0 }
        return PixelPoint(x: bound(point.x) * Float(size.width), y: bound(point.y) * Float(size.height))
    }

    /// A line with round ends.
    func stroke(_ a: PixelPoint, _ b: PixelPoint, width: Float, _ color: Color, opacity: Float = 1) {
        let radius = width / 2
        let (dx, dy) = (b.x - a.x, b.y - a.y)
        let lengthSquared = dx * dx + dy * dy
        let inverse = lengthSquared > 0 ? 1 / lengthSquared : 0
        forEachPixel(
            left: min(a.x, b.x) - radius, top: min(a.y, b.y) - radius, right: max(a.x, b.x) + radius,
            bottom: max(a.y, b.y) + radius
        ) { x, y, px, py in
            let t = min(max(((px - a.x) * dx + (py - a.y) * dy) * inverse, 0), 1)
            let (ex, ey) = (px - a.x - t * dx, py - a.y - t * dy)
            cover(x, y, radius, ex * ex + ey * ey, color, opacity)
        }
    }

    /// A line of dashes as long as they are far apart.
    func dash(_ a: PixelPoint, _ b: PixelPoint, width: Float, length: Float, _ color: Color) {
        let (dx, dy) = (b.x - a.x, b.y - a.y)
        let total = (dx * dx + dy * dy).squareRoot()
        guard total > 0, length > 0 else { return }
        var from: Float = 0
        while from < total {
            let (s, e) = (from / total, min(from + length, total) / total)
            stroke(
                PixelPoint(x: a.x + s * dx, y: a.y + s * dy), PixelPoint(x: a.x + e * dx, y: a.y + e * dy),
                width: width, color)
            from += 2 * length
        }
    }

    func disc(_ center: PixelPoint, radius: Float, _ color: Color, opacity: Float = 1) {
        stroke(center, center, width: 2 * radius, color, opacity: opacity)
    }

    /// A filled rectangle with round corners.
    func roundedRectangle(
        left: Float, top: Float, right: Float, bottom: Float, radius: Float, _ color: Color, opacity: Float
    ) {
        let r = min(radius, (right - left) / 2, (bottom - top) / 2)
        forEachPixel(left: left, top: top, right: right, bottom: bottom) { x, y, px, py in
            let ex = max(left + r - px, px - right + r, 0)
            let ey = max(top + r - py, py - bottom + r, 0)
            cover(x, y, r, ex * ex + ey * ey, color, opacity)
        }
    }

    /// A filled polygon by the even-odd rule; coverage from four lines a row.
    func polygon(_ corners: [PixelPoint], _ color: Color, opacity: Float) {
        guard corners.count > 2, let top = corners.map(\.y).min(), let bottom = corners.map(\.y).max() else { return }
        var coverage = [Float](repeating: 0, count: size.width)
        for y in max(0, Int(top))..<max(max(0, Int(top)), min(size.height, Int(bottom.rounded(.up)))) {
            for i in coverage.indices { coverage[i] = 0 }
            for sub in 0..<4 {
                let line = Float(y) + (Float(sub) + 0.5) / 4
                let crossings = Self.crossings(of: corners, at: line)
                for pair in stride(from: 0, to: crossings.count - 1, by: 2) {
                    add(crossings[pair], crossings[pair + 1], to: &coverage)
                }
            }
            for x in 0..<size.width where coverage[x] > 0 {
                blend(x, y, color, Int(coverage[x] / 4 * opacity * 256))
            }
        }
    }

    private static func crossings(of corners: [PixelPoint], at line: Float) -> [Float] {
        var found: [Float] = []
        var last = corners[corners.count - 1]
        for corner in corners {
            if (last.y <= line) != (corner.y <= line) {
                found.append(last.x + (line - last.y) / (corner.y - last.y) * (corner.x - last.x))
            }
            last = corner
        }
        return found.sorted()
    }

    private func add(_ from: Float, _ to: Float, to coverage: inout [Float]) {
        let (from, to) = (max(from, 0), min(to, Float(size.width)))
        guard to > from else { return }
        for x in Int(from)..<min(size.width, Int(to.rounded(.up))) {
            coverage[x] += min(to, Float(x + 1)) - max(from, Float(x))
        }
    }

    /// Calls `body` for the pixels of a rectangle, grown by one, that lie on the canvas, with their centres.
    @inline(__always)
    private func forEachPixel(
        left: Float, top: Float, right: Float, bottom: Float,
        _ body: (_ x: Int, _ y: Int, _ px: Float, _ py: Float) -> Void
    ) {
        let (w, h) = (Float(size.width), Float(size.height))
        guard right > -1, bottom > -1, left < w + 1, top < h + 1 else { return }
        let (x0, x1) = (Int(max(left - 1, 0)), Int(min(right + 2, w)))
        let (y0, y1) = (Int(max(top - 1, 0)), Int(min(bottom + 2, h)))
        for y in y0..<max(y0, y1) {
            for x in x0..<max(x0, x1) { body(x, y, Float(x) + 0.5, Float(y) + 0.5) }
        }
    }

    /// Blends a pixel by its distance to the middle of a shape of this radius.
    @inline(__always)
    private func cover(_ x: Int, _ y: Int, _ radius: Float, _ squared: Float, _ color: Color, _ opacity: Float) {
        let outer = radius + 0.5
        guard squared < outer * outer else { return }
        let inner = max(radius - 0.5, 0)
        let coverage = squared <= inner * inner ? 1 : min(outer - squared.squareRoot(), 1)
        blend(x, y, color, Int(coverage * opacity * 256))
    }
}
