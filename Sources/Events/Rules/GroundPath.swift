internal import Scene

/// The way of one person over the ground, thinned so that it stays small however long it lasts.
struct GroundPath: Sendable {
    private(set) var points: [PathPoint] = []
    private var spacing: Float = 0.01

    /// Keeps at most this many points.
    static let limit = 200

    /// - Parameter aspect: the frame's width over its height; spacing is in frame heights.
    mutating func append(_ point: Point, at time: StreamTime, aspect: Float) {
        if let last = points.last, distance(last.point, point, aspect: aspect) < spacing { return }
        points.append(PathPoint(point: point, microseconds: time.microseconds))
        if points.count > Self.limit {
            points = points.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
            spacing *= 2
        }
    }
}

/// Whether one person stays where they are.
struct Stillness: Sendable {
    private(set) var isStationary = false
    private var reference: (point: Point, time: StreamTime)?

    /// - Parameter height: the person's height in frame heights.
    mutating func observe(_ ground: Point, height: Float, at time: StreamTime, settings: EventSettings, aspect: Float) {
        let radius = settings.stationaryRadius * height * (isStationary ? 2 : 1)
        guard let reference, distance(reference.point, ground, aspect: aspect) <= radius else {
            reference = (ground, time)
            isStationary = false
            return
        }
        if time.seconds(since: reference.time) >= settings.stationaryAfter { isStationary = true }
    }
}

/// In frame heights.
func distance(_ a: Point, _ b: Point, aspect: Float) -> Float {
    let (x, y) = ((b.x - a.x) * aspect, b.y - a.y)
    return (x * x + y * y).squareRoot()
}
