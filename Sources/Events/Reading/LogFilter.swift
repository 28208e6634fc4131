/// Which lines of logs are wanted; an empty list lets everything through.
public struct LogFilter: Sendable, Equatable {
    /// Microseconds since 1970; lines from this moment on.
    public var since: Int64?
    /// Microseconds since 1970; lines before this moment.
    public var until: Int64?
    public var cameras: [String] = []
    public var types: [String] = []
    /// Lines about these zones, and of people who are in one.
    public var zones: [String] = []
    public var lines: [String] = []
    /// Track ids as they stand in the log.
    public var ids: [String] = []

    public init() {}

    public func matches(_ line: LogLine) -> Bool {
        if since != nil || until != nil {
            guard let time = Timestamp.utcMicroseconds(line.t) else { return false }
            if let since, time < since { return false }
            if let until, time >= until { return false }
        }
        if !cameras.isEmpty, !cameras.contains(line.camera) { return false }
        if !types.isEmpty, !types.contains(line.type) { return false }
        if !ids.isEmpty, !(line.id.map(ids.contains) ?? false) { return false }
        if !lines.isEmpty, !(line.line.map(lines.contains) ?? false) { return false }
        guard !zones.isEmpty else { return true }
        return line.zone.map(zones.contains) ?? false || zones.contains { line.zones?.contains($0) ?? false }
    }
}
