internal import Scene

/// Why a camera's event settings cannot be used; `path` is below the camera, such as `zones[1].polygon`.
public enum EventSettingsError: Error, Equatable, CustomStringConvertible {
    case outOfRange(path: String, found: Double, low: Double, high: Double)
    case badName(path: String, found: String)
    case duplicateName(path: String, name: String)
    case tooFewCorners(path: String, found: Int)
    case outsideFrame(path: String, corner: Int, x: Double, y: Double)
    case crossesItself(path: String, firstEdge: Int, secondEdge: Int)
    case noArea(path: String)
    case noLength(path: String)
    case tooMany(path: String, found: Int, limit: Int)

    public var description: String {
        switch self {
        case .outOfRange(let path, let found, let low, let high):
            "\(path): \(plain(found)) is out of range, allowed is \(plain(low))...\(plain(high))"
        case .badName(let path, let found):
            "\(path): '\(found)' cannot be a name; use 1 to 64 bytes without control characters"
        case .duplicateName(let path, let name):
            "\(path): the name '\(name)' is taken by another one; give each its own"
        case .tooFewCorners(let path, let found): "\(path): a polygon needs at least 3 corners, found \(found)"
        case .outsideFrame(let path, let corner, let x, let y):
            "\(path): corner \(corner) at [\(plain(x)), \(plain(y))] is outside the frame; allowed is 0...1 of its width and height"
        case .crossesItself(let path, let first, let second):
            "\(path): the polygon crosses itself: the edge after corner \(first) meets the edge after corner \(second)"
        case .noArea(let path): "\(path): the polygon has no area"
        case .noLength(let path): "\(path): the line's ends are the same point"
        case .tooMany(let path, let found, let limit): "\(path): \(found) entries, at most \(limit) are allowed"
        }
    }
}

extension EventSettings {
    /// - Throws: the first thing that is wrong.
    public func validate() throws(EventSettingsError) {
        if let first = problems().first { throw first }
    }

    /// Everything that is wrong.
    public func problems() -> [EventSettingsError] {
        let values = [
            outside("min_score", Double(minScore), 0, 1), outside("min_height", Double(minHeight), 0, 1),
            outside("min_duration_s", minDuration, 0, 3600), outside("update_interval_s", updateInterval, 1, 3600),
            outside("joint_confidence", Double(jointConfidence), 0, 1),
            outside("stationary_after_s", stationaryAfter, 1, 3600),
            outside("stationary_radius", Double(stationaryRadius), 0.01, 1),
            outside("posture.hold_s", posture.hold, 0, 60),
            outside("posture.fallen_hold_s", posture.fallenHold, 0, 600),
        ].compactMap { $0 }
        let places =
            zones.enumerated().flatMap { $1.problems(path: "zones[\($0)]") }
            + lines.enumerated().flatMap { $1.problems(path: "lines[\($0)]") }
        return values + problems(ofNames: zones.map(\.name), path: "zones")
            + problems(ofNames: lines.map(\.name), path: "lines") + places
    }

    /// So many zones, and so many lines, a camera may have: with names of 64 bytes a log line stays within its limit.
    public static let maximumPlaces = 64

    private func problems(ofNames names: [String], path: String) -> [EventSettingsError] {
        guard names.count <= Self.maximumPlaces else {
            return [.tooMany(path: path, found: names.count, limit: Self.maximumPlaces)]
        }
        return names.enumerated().compactMap { i, name in
            let isPlain = name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }
            guard (1...64).contains(name.utf8.count), isPlain else {
                return .badName(path: "\(path)[\(i)].name", found: name)
            }
            return names[..<i].contains(name) ? .duplicateName(path: "\(path)[\(i)].name", name: name) : nil
        }
    }
}

extension ZoneSettings {
    func problems(path: String) -> [EventSettingsError] {
        [
            outside("\(path).min_overlap", Double(minOverlap), 0.001, 1),
            outside("\(path).inertia_frames", Double(inertiaFrames), 1, 100),
            outside("\(path).inertia_s", inertia, 0, 60),
            loiteringAfter.flatMap { outside("\(path).loitering_after_s", $0, 0.001, 86_400) },
            outside("\(path).min_score", Double(minScore), 0, 1),
            outside("\(path).min_height", Double(minHeight), 0, 1),
            shapeProblem(path: "\(path).polygon"),
        ].compactMap { $0 }
    }

    private func shapeProblem(path: String) -> EventSettingsError? {
        guard polygon.count >= 3 else { return .tooFewCorners(path: path, found: polygon.count) }
        for (i, corner) in polygon.enumerated() {
            if let problem = outsideFrame(corner, path: path, corner: i) { return problem }
        }
        let shape = Polygon(polygon)
        if let (first, second) = shape.selfCrossing {
            return .crossesItself(path: path, firstEdge: first, secondEdge: second)
        }
        return shape.area > 1e-6 ? nil : .noArea(path: path)
    }
}

extension LineSettings {
    func problems(path: String) -> [EventSettingsError] {
        [
            outside("\(path).dead_band", Double(deadBand), 0, 0.5),
            outside("\(path).inertia_frames", Double(inertiaFrames), 1, 100),
            outside("\(path).min_height", Double(minHeight), 0, 1),
            outsideFrame(a, path: "\(path).a", corner: 0), outsideFrame(b, path: "\(path).b", corner: 0),
            a == b ? EventSettingsError.noLength(path: path) : nil,
        ].compactMap { $0 }
    }
}

private func outside(_ path: String, _ value: Double, _ low: Double, _ high: Double) -> EventSettingsError? {
    value >= low && value <= high ? nil : .outOfRange(path: path, found: value, low: low, high: high)
}

private func outsideFrame(_ point: Point, path: String, corner: Int) -> EventSettingsError? {
    (0...1).contains(point.x) && (0...1).contains(point.y)
        ? nil : .outsideFrame(path: path, corner: corner, x: Double(point.x), y: Double(point.y))
}
