internal import Scene

/// A closed polygon in normalised coordinates; the last corner joins the first.
struct Polygon: Sendable {
    let corners: [Point]

    init(_ corners: [Point]) { self.corners = corners }

    /// Even-odd rule; points on an edge belong to one side or the other.
    func contains(_ p: Point) -> Bool {
        var isInside = false
        for (a, b) in edges where (a.y > p.y) != (b.y > p.y) {
            if p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x { isInside.toggle() }
        }
        return isInside
    }

    var area: Float { abs(edges.reduce(0) { $0 + ($1.0.x * $1.1.y - $1.1.x * $1.0.y) }) / 2 }

    /// The area that polygon and box share: the polygon is cut at the box's four sides (Sutherland and Hodgman 1974).
    func intersection(_ box: Box) -> Float {
        guard box.x1 > box.x0, box.y1 > box.y0 else { return 0 }
        var shape = self
        shape = shape.cut { $0.x - box.x0 }
        shape = shape.cut { box.x1 - $0.x }
        shape = shape.cut { $0.y - box.y0 }
        shape = shape.cut { box.y1 - $0.y }
        return shape.area
    }

    /// Two edges that meet although they are not neighbours, or neighbours that lie on one another; nil when there are
    /// none.
    var selfCrossing: (Int, Int)? {
        let edges = Array(self.edges)
        for i in edges.indices {
            for j in edges.indices where j > i {
                let areNeighbours = j == i + 1 || (i == 0 && j == edges.count - 1)
                if areNeighbours ? folds(i, j, edges) : Self.meet(edges[i], edges[j]) { return (i, j) }
            }
        }
        return nil
    }

    /// The polygon's pixels: those whose centre lies inside.
    func mask(size: PixelSize) -> Mask {
        var bitmap = [UInt8](repeating: 0, count: size.width * size.height)
        for y in 0..<size.height {
            let height = (Float(y) + 0.5) / Float(size.height)
            var crossings: [Float] = []
            for (a, b) in edges where (a.y > height) != (b.y > height) {
                crossings.append((b.x - a.x) * (height - a.y) / (b.y - a.y) + a.x)
            }
            crossings.sort()
            for pair in stride(from: 0, to: crossings.count - 1, by: 2) {
                let first = max(0, Int((crossings[pair] * Float(size.width) - 0.5).rounded(.up)))
                let last = min(size.width, Int((crossings[pair + 1] * Float(size.width) - 0.5).rounded(.up)))
                for x in first..<max(first, last) { bitmap[y * size.width + x] = 1 }
            }
        }
        return Mask(size: size, bitmap: bitmap)
    }

    private var edges: Zip2Sequence<[Point], [Point]> { zip(corners, Array(corners.dropFirst()) + corners.prefix(1)) }

    /// Keeps what has a positive `distance`.
    private func cut(_ distance: (Point) -> Float) -> Polygon {
        var kept: [Point] = []
        for (a, b) in edges {
            let (da, db) = (distance(a), distance(b))
            if da >= 0 { kept.append(a) }
            if (da >= 0) != (db >= 0) {
                let t = da / (da - db)
                kept.append(Point(x: a.x + t * (b.x - a.x), y: a.y + t * (b.y - a.y)))
            }
        }
        return Polygon(kept)
    }

    /// Whether the corner between two neighbouring edges turns straight back.
    private func folds(_ i: Int, _ j: Int, _ edges: [(Point, Point)]) -> Bool {
        let (first, second) = j == i + 1 ? (edges[i], edges[j]) : (edges[j], edges[i])
        let corner = first.1
        guard cross(first.0, corner, second.1) == 0 else { return false }
        return (first.0.x - corner.x) * (second.1.x - corner.x) + (first.0.y - corner.y) * (second.1.y - corner.y) > 0
    }

    private static func meet(_ e: (Point, Point), _ f: (Point, Point)) -> Bool {
        let (a, b) = (cross(e.0, e.1, f.0), cross(e.0, e.1, f.1))
        let (c, d) = (cross(f.0, f.1, e.0), cross(f.0, f.1, e.1))
        if (a > 0 && b < 0 || a < 0 && b > 0) && (c > 0 && d < 0 || c < 0 && d > 0) { return true }
        return a == 0 && isBetween(e, f.0) || b == 0 && isBetween(e, f.1) || c == 0 && isBetween(f, e.0)
            || d == 0 && isBetween(f, e.1)
    }

    /// For a point on the edge's straight line.
    private static func isBetween(_ edge: (Point, Point), _ p: Point) -> Bool {
        p.x >= min(edge.0.x, edge.1.x) && p.x <= max(edge.0.x, edge.1.x) && p.y >= min(edge.0.y, edge.1.y)
            && p.y <= max(edge.0.y, edge.1.y)
    }
}

/// Twice the area of the triangle; positive when `p` lies to the right of a -> b as seen in the picture (y points
/// down).
func cross(_ a: Point, _ b: Point, _ p: Point) -> Float { (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x) }
