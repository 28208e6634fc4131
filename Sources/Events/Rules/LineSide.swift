internal import Scene

/// One person and one line: the side that the person was last surely on.
struct LineSide: Sendable {
    /// +1 right of a -> b, -1 left, 0 not known yet.
    private var side = 0
    private var last: (point: Point, distance: Float)?
    /// Whether the way last met the straight line between its ends.
    private var metBetweenEnds = false
    private var framesBeyond = 0

    /// The jitter of a ground point grows with the person: within this share of the height nobody changes sides.
    private static let jitter: Float = 0.05

    /// - Parameters:
    ///   - feet: what must be on the other side; one or two points.
    ///   - aspect: the frame's width over its height; distances are in frame heights.
    ///   - height: the person's height in frame heights.
    mutating func observe(
        feet: [Point], ground: Point, height: Float, line: LineSettings, aspect: Float
    ) -> CrossingDirection? {
        let now = Self.distance(ground, to: line, aspect: aspect)
        if let last, last.distance != 0 || now != 0, (last.distance < 0) != (now < 0) {
            let t = last.distance / (last.distance - now)
            let meeting = Point(
                x: last.point.x + t * (ground.x - last.point.x), y: last.point.y + t * (ground.y - last.point.y))
            metBetweenEnds = Self.isBetweenEnds(meeting, of: line, aspect: aspect)
        }
        last = (ground, now)

        let band = max(line.deadBand, Self.jitter * height)
        let distances = feet.map { Self.distance($0, to: line, aspect: aspect) }
        let present = distances.allSatisfy { $0 > band } ? 1 : distances.allSatisfy { $0 < -band } ? -1 : 0
        if present == 0 || present == side {
            framesBeyond = 0
            return nil
        }
        framesBeyond += 1
        guard side == 0 || framesBeyond >= line.inertiaFrames else { return nil }
        let isCrossing = side != 0 && metBetweenEnds
        (side, framesBeyond) = (present, 0)
        return isCrossing ? (present > 0 ? .right : .left) : nil
    }

    /// For a person who is gone: a change of sides that nothing contradicted any more.
    mutating func finish() -> CrossingDirection? {
        guard side != 0, framesBeyond > 0, metBetweenEnds else { return nil }
        (side, framesBeyond) = (-side, 0)
        return side > 0 ? .right : .left
    }

    /// In frame heights, positive to the right of a -> b.
    private static func distance(_ p: Point, to line: LineSettings, aspect: Float) -> Float {
        let (a, b) = (square(line.a, aspect), square(line.b, aspect))
        let length = ((b.x - a.x) * (b.x - a.x) + (b.y - a.y) * (b.y - a.y)).squareRoot()
        return cross(a, b, square(p, aspect)) / length
    }

    private static func isBetweenEnds(_ p: Point, of line: LineSettings, aspect: Float) -> Bool {
        let (a, b, p) = (square(line.a, aspect), square(line.b, aspect), square(p, aspect))
        let along = (p.x - a.x) * (b.x - a.x) + (p.y - a.y) * (b.y - a.y)
        let length2 = (b.x - a.x) * (b.x - a.x) + (b.y - a.y) * (b.y - a.y)
        return along >= 0 && along <= length2
    }

    private static func square(_ p: Point, _ aspect: Float) -> Point { Point(x: p.x * aspect, y: p.y) }
}
