internal import Events
internal import Foundation
internal import Scene

/// Where a replay's events go: a new log on disk, or standard output. Used from one queue.
enum EventSink {
    case log(EventLog)
    case stream(EventStream)

    init(_ output: ReplayOptions.Output, camera: CameraID, clock: ClockSource) throws {
        switch output {
        case .standardOutput: self = .stream(EventStream(clock: clock))
        case .directory(let directory):
            self = .log(try EventLog(replay: Self.path(directory, camera), camera: camera, clock: clock))
        }
    }

    static func path(_ directory: String, _ camera: CameraID) -> String {
        let base = directory.isEmpty ? "." : directory
        return (base.hasSuffix("/") ? base : base + "/") + LogPaths.fileName(camera) + ".jsonl"
    }

    mutating func append(_ events: [Event]) throws {
        guard !events.isEmpty else { return }
        switch self {
        case .log(let log):
            log.append(events)
            if let failure = log.status.failure { throw EventLogError.system(failure) }
        case .stream(var stream):
            try stream.append(events)
            self = .stream(stream)
        }
    }

    func close(nextOrdinal: UInt64) throws {
        if case .log(let log) = self { try log.close(nextOrdinal: nextOrdinal) }
    }
}
