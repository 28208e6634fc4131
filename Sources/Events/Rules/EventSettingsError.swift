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
            "\(path): \(found) is out of range, allowed is \(low)...\(high)"
        case .badName(let path, let found):
            "\(path): '\(found)' cannot be a name; use 1 to 64 bytes without control characters"
        case .duplicateName(let path, let name):
            "\(path): the name '\(name)' is taken by another one; give each its own"
        case .tooFewCorners(let path, let found): "\(path): a polygon needs at least 3 corners, found \(found)"
        case .outsideFrame(let path, let corner, let x, let y):
            "\(path): corner \(corner) at [\(x), \(y)] is outside the frame; allowed is 0...1 of its width and height"
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
        try check("min_score", Double(minScore), 0, 1)
        try check("min_height", Double(minHeight), 0, 1)
        try check("min_duration_s", minDuration, 0, 3600)
        try check("update_interval_s", updateInterval, 1, 3600)
        try check("joint_confidence", Double(jointConfidence), 0, 1)
        try check("stationary_after_s", stationaryAfter, 1, 3600)
        try check("stationary_radius", Double(stationaryRadius), 0.01, 1)
        try check("posture.hold_s", posture.hold, 0, 60)
        try check("posture.fallen_hold_s", posture.fallenHold, 0, 600)
        try checkNames(zones.map(\.name), path: "zones")
        try checkNames(lines.map(\.name), path: "lines")
        for (i, zone) in zones.enumerated() { try zone.validate(path: "zones[\(i)]") }
        for (i, line) in lines.enumerated() { try line.validate(path: "lines[\(i)]") }
    }

    /// So many zones, and so many lines, a camera may have: with names of 64 bytes a log line stays within its limit.
    public static let maximumPlaces = 64

    private func checkNames(_ names: [String], path: String) throws(EventSettingsError) {
        guard names.count <= Self.maximumPlaces else {
            throw .tooMany(path: path, found: names.count, limit: Self.maximumPlaces)
        }
        for (i, name) in names.enumerated() {
            let isPlain = name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }
            guard (1...64).contains(name.utf8.count), isPlain else {
                throw .badName(path: "\(path)[\(i)].name", found: name)
            }
            if names[..<i].contains(name) { throw .duplicateName(path: "\(path)[\(i)].name", name: name) }
        }
    }
}

extension ZoneSettings {
    func validate(path: String) throws(EventSettingsError) {
        try check("\(path).min_overlap", Double(minOverlap), 0.001, 1)
        try check("\(path).inertia_frames", Double(inertiaFrames), 1, 100)
        try check("\(path).inertia_s", inertia, 0, 60)
        if let loiteringAfter { try check("\(path).loitering_after_s", loiteringAfter, 0.001, 86_400) }
        try check("\(path).min_score", Double(minScore), 0, 1)
        try check("\(path).min_height", Double(minHeight), 0, 1)
        let polygonPath = "\(path).polygon"
        guard polygon.count >= 3 else { throw .tooFewCorners(path: polygonPath, found: polygon.count) }
        for (i, corner) in polygon.enumerated() { try checkInside(corner, path: polygonPath, corner: i) }
        let shape = Polygon(polygon)
        if let (first, second) = shape.selfCrossing {
            throw .crossesItself(path: polygonPath, firstEdge: first, secondEdge: second)
        }
        guard shape.area > 1e-6 else { throw .noArea(path: polygonPath) }
    }
}

extension LineSettings {
    func validate(path: String) throws(EventSettingsError) {
        try check("\(path).dead_band", Double(deadBand), 0, 0.5)
        try check("\(path).inertia_frames", Double(inertiaFrames), 1, 100)
        try check("\(path).min_height", Double(minHeight), 0, 1)
        try checkInside(a, path: "\(path).a", corner: 0)
        try checkInside(b, path: "\(path).b", corner: 0)
        guard a != b else { throw .noLength(path: path) }
    }
}

private func check(_ path: String, _ value: Double, _ low: Double, _ high: Double) throws(EventSettingsError) {
    guard value >= low, value <= high else { throw .outOfRange(path: path, found: value, low: low, high: high) }
}

private func checkInside(_ point: Point, path: String, corner: Int) throws(EventSettingsError) {
    guard (0...1).contains(point.x), (0...1).contains(point.y) else {
        throw .outsideFrame(path: path, corner: corner, x: Double(point.x), y: Double(point.y))
    }
}
