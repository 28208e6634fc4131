internal import Scene

/// What logs tell, put together: people, places and the state of each camera.
public struct LogDigest: Sendable {
    /// By name.
    public private(set) var cameras: [CameraDigest] = []

    public init() {}

    /// Takes the next line; lines of one camera come in the order of its log.
    public mutating func take(_ line: LogLine) {
        guard let time = line.time?.utcMicroseconds else { return }
        let i = cameras.firstIndex { $0.name >= line.camera } ?? cameras.count
        if i == cameras.count || cameras[i].name != line.camera {
            cameras.insert(CameraDigest(name: line.camera, first: time), at: i)
        }
        cameras[i].take(line, at: time)
    }
}

/// One camera's part of a digest. Times are microseconds since 1970.
public struct CameraDigest: Sendable {
    public let name: String
    public private(set) var first: Int64
    public private(set) var last: Int64
    public private(set) var lines = 0
    public private(set) var types: [String: Int] = [:]
    public private(set) var people: [PersonDigest] = []
    public private(set) var zones: [String: ZoneDigest] = [:]
    public private(set) var crossings: [String: LineDigest] = [:]
    /// Camera states and losses, as they came.
    public private(set) var states: [(time: Int64, type: String, reason: String?)] = []
    /// Numbers that are missing in the log.
    public private(set) var holes: UInt64 = 0
    /// Lines that the log itself says were dropped.
    public private(set) var dropped: [String: Int] = [:]
    /// Width over height of the frame.
    public private(set) var aspect = 4.0 / 3
    private var indices: [String: Int] = [:]
    private var lastSequence: UInt64?

    init(name: String, first: Int64) {
        (self.name, self.first, self.last) = (name, first, first)
    }

    /// How many people were there at the same time, as steps.
    public var presence: [(time: Int64, count: Int)] {
        let changes = people.flatMap { [($0.start, 1), ($0.end ?? last, -1)] }.sorted { $0 < $1 }
        var count = 0
        return changes.map { time, change in
            count += change
            return (time, count)
        }
    }

    mutating func take(_ line: LogLine, at time: Int64) {
        (first, last) = (min(first, time), max(last, time))
        lines += 1
        types[line.type, default: 0] += 1
        if let lastSequence, line.seq > lastSequence + 1 { holes += line.seq - lastSequence - 1 }
        lastSequence = line.seq
        switch line.type {
        case "start", "update", "end": takeReport(line, at: time)
        case "zone_entered": zones[line.zone ?? "", default: ZoneDigest()].visits += 1
        case "zone_left": zones[line.zone ?? "", default: ZoneDigest()].dwells.append(line.dwell ?? 0)
        case "loitering": zones[line.zone ?? "", default: ZoneDigest()].loiterers += 1
        case "occupancy": zones[line.zone ?? "", default: ZoneDigest()].counts.append((time, line.count ?? 0))
        case "line_crossed":
            crossings[line.line ?? "", default: LineDigest()].take(isRight: line.direction == "right", at: time)
        case "events_dropped": dropped.merge(line.counts ?? [:]) { $0 + $1 }
        case _ where line.type.hasPrefix("camera_") || line.type == "discontinuity":
            states.append((time, line.type, line.reason))
        default: break
        }
        if let id = line.id, let i = indices[id] { people[i].note(line, at: time) }
    }

    private mutating func takeReport(_ line: LogLine, at time: Int64) {
        guard let id = line.id else { return }
        if let size = line.size, size.count == 2, size[1] > 0 { aspect = Double(size[0]) / Double(size[1]) }
        if indices[id] == nil {
            indices[id] = people.count
            people.append(PersonDigest(id: id, start: line.start.flatMap(Timestamp.utcMicroseconds) ?? time))
        }
    }
}

/// One person of a digest.
public struct PersonDigest: Sendable {
    public let id: String
    public let start: Int64
    /// nil while the log does not tell the end.
    public private(set) var end: Int64?
    public private(set) var reason: String?
    public private(set) var topScore: Double = 0
    /// x, y and seconds.
    public private(set) var path: [[Double]] = []
    public private(set) var zones: [String] = []
    /// Postures, crossings and stays, as they came.
    public private(set) var moments: [(time: Int64, text: String)] = []
    public private(set) var snapshot: String?

    init(id: String, start: Int64) { (self.id, self.start) = (id, start) }

    mutating func note(_ line: LogLine, at time: Int64) {
        topScore = max(topScore, line.topScore ?? 0)
        if let path = line.path, !path.isEmpty { self.path = path.filter { $0.count == 3 } }
        if let zones = line.enteredZones { self.zones = zones }
        if let snapshot = line.snapshot { self.snapshot = snapshot }
        switch line.type {
        case "end":
            end = line.end.flatMap(Timestamp.utcMicroseconds) ?? time
            reason = line.reason
        case "posture": moments.append((time, line.posture ?? ""))
        case "line_crossed": moments.append((time, "\(line.line ?? "") \(line.direction ?? "")"))
        case "zone_entered": moments.append((time, "into \(line.zone ?? "")"))
        case "zone_left": moments.append((time, "out of \(line.zone ?? "")"))
        case "loitering": moments.append((time, "loiters in \(line.zone ?? "")"))
        default: break
        }
    }
}

/// One zone of a digest.
public struct ZoneDigest: Sendable {
    public internal(set) var visits = 0
    public internal(set) var loiterers = 0
    /// Of stays that are over, in seconds.
    public internal(set) var dwells: [Double] = []
    public internal(set) var counts: [(time: Int64, count: Int)] = []

    public var most: Int { counts.map(\.count).max() ?? 0 }
    public var meanDwell: Double? { dwells.isEmpty ? nil : dwells.reduce(0, +) / Double(dwells.count) }
}

/// One line of a digest.
public struct LineDigest: Sendable {
    public private(set) var left: [Int64] = []
    public private(set) var right: [Int64] = []

    mutating func take(isRight: Bool, at time: Int64) {
        if isRight { right.append(time) } else { left.append(time) }
    }
}
