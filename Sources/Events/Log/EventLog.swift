internal import Dispatch
internal import Glibc
internal import Synchronization
public import Scene

/// Why a log cannot be opened.
public enum EventLogError: Error, Equatable, CustomStringConvertible {
    /// Another process writes this log.
    case locked(path: String)
    case system(SystemFailure)

    public var description: String {
        switch self {
        case .locked(let path):
            "event log \(path): another process writes it; stop that one, or choose another output directory"
        case .system(let failure): "event log: \(failure)\(failure.advice)"
        }
    }
}

/// What happened to a log, said once when it happens; what keeps changing, after 20 times once a minute.
public enum LogNews: Sendable, Equatable, CustomStringConvertible {
    /// The disk does not take lines; they wait in memory.
    case failing(SystemFailure)
    /// The disk takes lines again; so many were lost meanwhile.
    case works(lost: Int)
    /// Old files cannot be removed.
    case retentionFails(SystemFailure)
    /// The directory is on another file system than before.
    case moved(directory: String)
    /// The state tells of lines, and the directory has none of them.
    case absent(directory: String, next: UInt64)

    public var description: String {
        switch self {
        case .failing(let failure) where failure.call == "flock":
            "event log: another process has taken \(failure.path), whose file was removed; lines wait in memory until it is gone"
        case .failing(let failure):
            "event log: \(failure); lines wait in memory until the disk takes them\(failure.advice)"
        case .works(let lost): "event log: the disk takes lines again, \(lost == 0 ? "none was" : "\(lost) were") lost"
        case .retentionFails(let failure): "event log: old files cannot be removed: \(failure)"
        case .moved(let directory):
            "event log: \(directory) is on another file system than before, and lines go there; "
                + "if a disk was unmounted, mount it again, and hcqd goes on writing on it"
        case .absent(let directory, let next):
            "event log: \(directory) has none of this camera's logs; a new one begins with number \(next); "
                + "if they lie on a disk that is not mounted, mount it"
        }
    }
}

/// How a log is doing.
public struct LogStatus: Sendable {
    /// Lines in memory that are not on disk yet.
    public var waitingLines: Int
    /// Lines lost since the log said so last, by type.
    public var lost: [String: Int]
    /// Lines lost since the log was opened.
    public var totalLost: Int
    /// nil while the disk works.
    public var failure: SystemFailure?
    /// Why old files could not be removed; the log itself is not touched by that.
    public var retentionFailure: SystemFailure?
    /// The number of the next line.
    public var nextSequence: UInt64
}

/// The one writer of a camera's log; safe to use from any thread.
///
/// A daemon's log is written on a queue of its own: `append` never waits for the disk. A replay's log is written by the
/// caller, so that nothing can be dropped.
public final class EventLog: @unchecked Sendable {
    private let queue: DispatchQueue
    private let ring: LineRing
    private let files: any FileSystem
    /// Of a daemon's log: has `queue` write. Unlike a block for every line it leaves no memory with the thread that calls.
    private let call: (any DispatchSourceUserDataAdd)?
    // On `queue` only.
    private var writer: LogWriter
    private var timer: (any DispatchSourceTimer)?
    private var isClosed = false
    /// What went wrong last; for those who must not wait for a disk that hangs.
    private let failures = Mutex<(log: SystemFailure?, retention: SystemFailure?)>((nil, nil))
    private let onNews: @Sendable (LogNews) -> Void
    /// On `queue` only: what was told of `failures` last.
    private var told: (log: SystemFailure?, retention: SystemFailure?) = (nil, nil)
    /// On `queue` only: how many changes may still be told, as of when (monotonic microseconds): 20 at once, then one a
    /// minute.
    private var changes: (left: Double, at: Int64) = (EventLog.changesAtOnce, 0)
    private static let changesAtOnce = 20.0
    /// On `queue` only: of `ring`, when the disk failed.
    private var lostBefore = 0
    /// On `queue` only: of the writer's moves, those that were told.
    private var movesTold = 0

    /// The first ordinal that the camera's tracker may give.
    public let firstOrdinal: UInt64
    /// What the last session had left open, as it was told by this one: already in the log.
    public let recovered: [Event]
    /// Bytes of a torn last line that were cut when the log was opened.
    public let cutBytes: Int

    /// Opens a daemon's log: cuts a torn line, ends what a crash left open, and goes on numbering.
    /// - Parameter onNews: called on a queue of the log's own, and here.
    /// - Throws: when another process has it, or it cannot be read. A full disk is no reason: lines wait in memory.
    public convenience init(
        camera: CameraID, paths: LogPaths, settings: LogSettings = LogSettings(),
        onNews: @escaping @Sendable (LogNews) -> Void = { _ in }
    ) throws(EventLogError) {
        let files = RealFileSystem()
        let opening = try LogOpening(live: camera, paths: paths, settings: settings, files: files, now: Self.now())
        self.init(opening, camera: camera, isLive: true, files: files, onNews: onNews)
    }

    /// Begins a replay's log at `path`; what was there is replaced.
    public convenience init(replay path: String, camera: CameraID, clock: ClockSource) throws(EventLogError) {
        let files = RealFileSystem()
        let opening = try LogOpening(replay: camera, paths: LogPaths(replay: path), clock: clock, files: files)
        self.init(opening, camera: camera, isLive: false, files: files)
    }

    init(
        _ opening: LogOpening, camera: CameraID, isLive: Bool, files: any FileSystem,
        onNews: @escaping @Sendable (LogNews) -> Void = { _ in }
    ) {
        self.files = files
        self.onNews = onNews
        queue = DispatchQueue(label: "hcqd.log.\(camera.name)")
        call = isLive ? DispatchSource.makeUserDataAddSource(queue: queue) : nil
        (ring, writer) = (opening.ring, opening.writer)
        (firstOrdinal, recovered, cutBytes) = (opening.firstOrdinal, opening.recovered, opening.cutBytes)
        if opening.isAbsent { onNews(.absent(directory: writer.paths.directory, next: opening.firstSequence)) }
        noteFailures()
        startWriting()
    }

    /// Writes events in order.
    /// - Returns: their lines, newline at the end, for those who pass them on.
    @discardableResult
    public func append(_ events: [Event]) -> [[UInt8]] {
        guard !events.isEmpty else { return [] }
        let lines = ring.append(events)
        if let call { call.add(data: 1) } else { queue.sync { work() } }
        return lines.map(\.bytes)
    }

    /// Writes events in order, for a replay: nothing may be missing from its log.
    /// - Returns: their lines, newline at the end.
    /// - Throws: when the disk does not take them.
    @discardableResult
    public func write(_ events: [Event]) throws(EventLogError) -> [[UInt8]] {
        let lines = append(events)
        if let failure = failures.withLock({ $0.log }) { throw .system(failure) }
        return lines
    }

    /// Waits until everything is written and synchronised, or cannot be.
    public func flush() {
        queue.sync {
            writer.work(now: Self.now(), isLast: true)
            noteFailures()
        }
    }

    /// Goes on in a new file at the same path, after someone renamed the old one (SIGUSR1).
    public func reopen() { queue.async { self.writer.reopen(now: Self.now()) } }

    public var status: LogStatus {
        let load = ring.load
        let (failure, retentionFailure) = failures.withLock { $0 }
        return LogStatus(
            waitingLines: load.lines, lost: load.lost, totalLost: load.totalLost, failure: failure,
            retentionFailure: retentionFailure,
            nextSequence: ring.nextSequence)
    }

    /// Writes what waits, synchronises and gives the log free. Later events are not written.
    /// - Parameter nextOrdinal: the tracker's, so that a restart goes on without a gap.
    /// - Throws: when lines could not be written.
    public func close(nextOrdinal: UInt64) throws(EventLogError) {
        let failure = queue.sync { () -> SystemFailure? in
            guard !isClosed else { return nil }
            isClosed = true
            timer?.cancel()
            timer = nil
            writer.close(nextOrdinal: nextOrdinal, now: Self.now())
            files.close(writer.lock)
            return writer.failure?.cause
        }
        if let failure { throw .system(failure) }
    }

    deinit {
        timer?.cancel()
        call?.cancel()
        if !isClosed { files.close(writer.lock) }
    }

    private func work() {
        if !isClosed { writer.work(now: Self.now()) }
        noteFailures()
    }

    private func noteFailures() {
        let now = (log: writer.failure?.cause, retention: writer.retentionFailure)
        failures.withLock { $0 = now }
        if now.log?.code != told.log?.code, mayTell() {
            if let failure = now.log {
                if told.log == nil { lostBefore = ring.load.totalLost }
                onNews(.failing(failure))
            } else {
                onNews(.works(lost: ring.load.totalLost - lostBefore))
            }
            told.log = now.log
        }
        if now.retention?.code != told.retention?.code, mayTell() {
            if let failure = now.retention { onNews(.retentionFails(failure)) }
            told.retention = now.retention
        }
        if writer.moves != movesTold { onNews(.moved(directory: writer.paths.directory)) }
        movesTold = writer.moves
    }

    /// So that a disk that fails and works by turns does not fill the journal.
    private func mayTell() -> Bool {
        let now = Self.now()
        changes = (min(Self.changesAtOnce, changes.left + Double(now - changes.at) / 60e6), now)
        guard changes.left >= 1 else { return false }
        changes.left -= 1
        return true
    }

    /// A daemon's log is written as lines come, and synchronised in time.
    private func startWriting() {
        guard let call else { return }
        call.setEventHandler { [weak self] in self?.work() }
        call.activate()
        let timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now() + 0.5, repeating: 0.5)
        timer.setEventHandler { [weak self] in self?.work() }
        timer.activate()
        self.timer = timer
    }

    /// Microseconds of the monotonic clock.
    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}
