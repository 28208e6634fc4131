internal import Glibc
internal import Scene

/// What the last session left: where its log stops, and whose story it did not finish.
///
/// Holds one piece of a file and the stories that are open, however long the logs are.
struct LogRecovery {
    /// The number of the next line.
    private(set) var nextSequence: UInt64 = 1
    /// What is still to be said of the last session, in order.
    private(set) var missing: [Event] = []
    /// One more than the highest track ordinal in the logs that were read.
    private(set) var nextOrdinal: UInt64 = 1
    /// Bytes of a torn line that were cut off.
    private(set) var cutBytes = 0
    /// There is no log, not even an empty one.
    private(set) var isEmpty = true

    private let files: any FileSystem
    private let camera: CameraID
    /// The first number of the last session.
    private let session: UInt64
    private var open: [String: Story] = [:]
    private var occupancy: [String: Int] = [:]
    private var last: (sequence: UInt64, time: StreamTime?)?

    /// Cuts a torn last line of `paths.active` and reads the logs from where the last session's open stories may begin.
    /// - Throws: when a log cannot be read or cut.
    init(_ paths: LogPaths, camera: CameraID, state: LogState?, files: any FileSystem) throws(SystemFailure) {
        self.files = files
        self.camera = camera
        session = state?.sessionSequence ?? 1
        var logs = try inOrder(try LogPaths.rotated(paths, files))
        if try files.facts(paths.active) != nil {
            cutBytes = try Self.cutTornLine(paths.active, files).bytes
            logs.append(paths.active)
        }
        isEmpty = logs.isEmpty
        for log in try logs[startIndex(in: logs)...] { try read(log) }
        if let last, last.sequence + 1 >= session {
            nextSequence = last.sequence + 1
        } else if let state {
            // The newest logs are gone: a number that may have been theirs is not given again.
            nextSequence = state.nextSequence
        }
        finishStories()
    }

    /// Rotated logs, by the first number in them: their names may be anybody's.
    private func inOrder(_ logs: [String]) throws(SystemFailure) -> [String] {
        var found: [(first: UInt64, path: String)] = []
        for log in logs {
            let number = log.split(separator: ".").last.flatMap { $0.count >= 12 ? UInt64($0) : nil }
            let first = if let number { number } else { try Self.firstSequence(log, files) ?? 0 }
            found.append((first, log))
        }
        return found.sorted { $0.first < $1.first }.map(\.path)
    }

    /// The last log that begins before the session does; the first one when none is known to.
    private func startIndex(in logs: [String]) throws(SystemFailure) -> Int {
        for i in logs.indices.reversed() {
            if let first = try Self.firstSequence(logs[i], files), first <= session { return i }
        }
        return 0
    }

    /// The number of the first line that can be read.
    static func firstSequence(_ path: String, _ files: any FileSystem) throws(SystemFailure) -> UInt64? {
        let descriptor = try files.open(path, flags: O_RDONLY)
        defer { files.close(descriptor) }
        let bytes = try files.read(descriptor, at: 0, count: EventRecord.maximumBytes, path: path)
        return bytes.split(separator: 0x0a).lazy.compactMap { LogLine($0)?.seq }.first
    }

    /// A line counts when it ends in a newline and can be read; what follows the last such line is cut.
    /// - Returns: how many bytes were cut, and the number of that last line.
    static func cutTornLine(
        _ path: String, _ files: any FileSystem
    ) throws(SystemFailure) -> (bytes: Int, last: UInt64?) {
        let descriptor = try files.open(path, flags: O_RDWR)
        defer { files.close(descriptor) }
        let size = try files.facts(descriptor, path: path).size
        var end = size
        var last: UInt64?
        while end > 0 {
            let start = max(0, end - Int64(2 * EventRecord.maximumBytes))
            let bytes = try files.read(descriptor, at: start, count: Int(end - start), path: path)
            let (wholeEnd, line) = Self.wholePrefix(bytes, isStartOfFile: start == 0)
            end = start + Int64(wholeEnd)
            last = line?.seq
            if line != nil { break }
        }
        if end < size {
            try files.truncate(descriptor, to: end, path: path)
            try files.synchronize(descriptor, path: path)
        }
        return (Int(size - end), last)
    }

    /// How many of `bytes` to keep, and the line that these end with; nil when it cannot be read or begins before them.
    static func wholePrefix(_ bytes: [UInt8], isStartOfFile: Bool) -> (count: Int, line: LogLine?) {
        guard var newline = bytes.lastIndex(of: 0x0a) else { return (0, nil) }
        while true {
            let previous = bytes[..<newline].lastIndex(of: 0x0a)
            guard let start = previous.map({ $0 + 1 }) ?? (isStartOfFile ? 0 : nil) else {
                // One that fills all of `bytes` is longer than any line of ours.
                return (newline + 1 < bytes.count ? newline + 1 : 0, nil)
            }
            if let line = LogLine(bytes[start..<newline]) { return (newline + 1, line) }
            guard let previous else { return (0, nil) }
            newline = previous
        }
    }

    /// Takes a log's lines, those that can be read.
    private mutating func read(_ path: String) throws(SystemFailure) {
        let descriptor = try files.open(path, flags: O_RDONLY)
        defer { files.close(descriptor) }
        var scanner = LineScanner()
        var offset: Int64 = 0
        while true {
            let bytes = try files.read(descriptor, at: offset, count: 1 << 18, path: path)
            if bytes.isEmpty { break }
            offset += Int64(bytes.count)
            for piece in scanner.take(bytes) {
                if let line = LogLine(piece) { take(line) }
            }
        }
    }

    private mutating func take(_ line: LogLine) {
        if line.seq > last?.sequence ?? 0 { last = (line.seq, line.time) }
        nextOrdinal = max(nextOrdinal, (line.trackID?.ordinal ?? 0) + 1)
        guard line.seq >= session else { return }
        if line.type == "occupancy", let zone = line.zone {
            occupancy[zone] = line.count.flatMap { $0 == 0 ? nil : $0 }
        }
        guard let id = line.id else { return }
        if line.type == "end" {
            open[id] = nil
        } else if line.type == "start" {
            open[id] = Story(line)
        } else {
            open[id]?.take(line)
        }
    }

    /// Every `start` without `end` gets one, after its open stays; then zones that counted people count none.
    private mutating func finishStories() {
        for story in open.values.sorted(by: { $0.id.ordinal < $1.id.ordinal }) { missing += story.ending() }
        guard let time = last?.time else { return }
        for zone in occupancy.keys.sorted() {
            missing.append(Event(camera: camera, time: time, kind: .occupancy(zone: zone, count: 0)))
        }
    }
}

/// What a log tells of one track until it breaks off.
private struct Story {
    let id: TrackID
    private var report: TrackReport
    private var lastSeen: StreamTime
    private var stays: [(zone: String, since: StreamTime)] = []

    init?(_ line: LogLine) {
        guard let report = line.report() else { return nil }
        self.id = report.track.id
        self.report = report
        self.lastSeen = report.track.lastSeen
    }

    mutating func take(_ line: LogLine) {
        guard let time = line.time else { return }
        lastSeen = time
        if let report = line.report() { self.report = report }
        guard let zone = line.zone else { return }
        if line.type == "zone_entered" { stays.append((zone, time)) }
        if line.type == "zone_left" { stays.removeAll { $0.zone == zone } }
    }

    func ending() -> [Event] {
        var report = report
        report.track.lastSeen = lastSeen
        report.zones = []
        report.cause = nil
        let left = stays.map {
            Event.Kind.zoneLeft(id, zone: $0.zone, dwell: max(0, lastSeen.seconds(since: $0.since)))
        }
        return (left + [.end(report, reason: .restart)]).map { Event(camera: id.camera, time: lastSeen, kind: $0) }
    }
}

extension LogPaths {
    /// The rotated logs, oldest first.
    static func rotated(_ paths: LogPaths, _ files: any FileSystem) throws(SystemFailure) -> [String] {
        let prefix = paths.name + "."
        let names = try files.list(paths.directory).filter { isPart($0, of: paths.name) }
        // logrotate numbers backwards: .2 is older than .1, or gives them a date; our own numbers have 12 digits and rise.
        let (dated, numbered) = (names.filter { !$0.hasPrefix(prefix) }, names.filter { $0.hasPrefix(prefix) })
        let (own, foreign) = (
            numbered.filter { $0.count >= prefix.count + 12 }, numbered.filter { $0.count < prefix.count + 12 }
        )
        let oldFirst = foreign.sorted { Int($0.dropFirst(prefix.count)) ?? 0 > Int($1.dropFirst(prefix.count)) ?? 0 }
        return (dated.sorted() + own + oldFirst).map { paths.directory + "/" + $0 }
    }

    /// Whether a file is a rotated log: `door.jsonl.000000000001`, `door.jsonl.1`, or with logrotate's
    /// `dateext` `door.jsonl-20260131`.
    private static func isPart(_ found: String, of name: String) -> Bool {
        guard found.hasPrefix(name), let mark = found.dropFirst(name.count).first, mark == "." || mark == "-" else {
            return false
        }
        let rest = found.dropFirst(name.count + 1)
        return rest.first?.isNumber == true && rest.allSatisfy { $0.isNumber || (mark == "-" && $0 == "-") }
    }
}
