internal import Glibc
internal import Scene

/// One person and one line: the side that the person was last surely on.
///
/// A ground point jitters: on vtest.avi with a standard deviation of 0.04 of the person's height and now and then by a
/// tenth of it, more when the person is half hidden. So the point is smoothed, a hidden person's more, and nobody changes
/// sides within a tenth of their height of the line.
struct LineSide: Sendable {
    /// +1 right of a -> b, -1 left, 0 not known yet.
    private var side = 0
    private var last: (point: Point, distance: Float)?
    /// Each foot's distance from the line, smoothed, and since when.
    private var smoothed: (distances: [Float], time: StreamTime)?
    /// Whether the way last met the straight line between its ends.
    private var metBetweenEnds = false
    private var framesBeyond = 0
    /// The same of the points as they were seen.
    private var seenBeyond = 0

    /// As a share of the person's height.
    private static let jitter: Float = 0.1
    /// Time constant of the smoothing in seconds.
    private static let smoothing = 0.25

    /// - Parameters:
    ///   - feet: what must be on the other side; one or two points.
    ///   - height: the person's height in frame heights.
    ///   - visible: the share of the person that nobody hides; nil is all.
    ///   - aspect: the frame's width over its height; distances are in frame heights.
    mutating func observe(
        feet: [Point], ground: Point, height: Float, visible: Float?, at time: StreamTime, line: LineSettings,
        aspect: Float
    ) -> CrossingDirection? {
        observeWay(to: ground, line: line, aspect: aspect)
        let seen = feet.map { Self.distance($0, to: line, aspect: aspect) }
        let distances = smooth(seen, visible: visible ?? 1, at: time)
        let band = max(line.deadBand, Self.jitter * height)
        let seenSide = Self.side(seen, band: band)
        seenBeyond = seenSide == -side && side != 0 ? seenBeyond + 1 : 0

        let present = Self.side(distances, band: band)
        if present == 0 || present == side {
            framesBeyond = 0
            return nil
        }
        framesBeyond += 1
        guard side == 0 || framesBeyond >= line.inertiaFrames else { return nil }
        let isCrossing = side != 0 && metBetweenEnds
        (side, framesBeyond, seenBeyond) = (present, 0, 0)
        return isCrossing ? (present > 0 ? .right : .left) : nil
    }

    /// For a person who is gone: a change of sides that nothing contradicted any more.
    mutating func finish() -> CrossingDirection? {
        guard side != 0, seenBeyond > 0, metBetweenEnds else { return nil }
        (side, framesBeyond, seenBeyond) = (-side, 0, 0)
        return side > 0 ? .right : .left
    }

    private mutating func observeWay(to ground: Point, line: LineSettings, aspect: Float) {
        let now = Self.distance(ground, to: line, aspect: aspect)
        if let last, last.distance != 0 || now != 0, (last.distance < 0) != (now < 0) {
            let t = last.distance / (last.distance - now)
            let meeting = Point(
                x: last.point.x + t * (ground.x - last.point.x), y: last.point.y + t * (ground.y - last.point.y))
            metBetweenEnds = Self.isBetweenEnds(meeting, of: line, aspect: aspect)
        }
        last = (ground, now)
    }

    /// Begins anew when one foot was seen before and two are now.
    private mutating func smooth(_ seen: [Float], visible: Float, at time: StreamTime) -> [Float] {
        var distances = seen
        if let smoothed, smoothed.distances.count == seen.count {
            let weight = Double(min(max(visible, 0), 1)) * time.seconds(since: smoothed.time) / Self.smoothing
            let share = Float(1 - exp(-max(0, weight)))
            distances = zip(smoothed.distances, seen).map { $0 + share * ($1 - $0) }
        }
        smoothed = (distances, time)
        return distances
    }

    /// 0 unless all distances are beyond the band on the same side.
    private static func side(_ distances: [Float], band: Float) -> Int {
        distances.allSatisfy { $0 > band } ? 1 : distances.allSatisfy { $0 < -band } ? -1 : 0
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
