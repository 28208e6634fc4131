internal import Glibc
internal import Scene

/// Brings a ring's lines to one log file and keeps them there: one write(2) a line, synchronised in time, rotated, and
/// after a failure tried again while the lines wait in the ring.
///
/// Used from one queue. `now` is a monotonic clock in microseconds; only the pace of synchronising and retrying hangs
/// on it, never what is written.
struct LogWriter {
    let ring: LineRing
    let paths: LogPaths
    private let settings: LogSettings
    private let files: any FileSystem
    private var log: OpenLog?
    /// The line that is being written.
    private var held: LineRing.Line?
    /// Lines of a file that is gone, on a disk that broke: the file that is there now gets them.
    private var again: [LineRing.Line] = []
    private(set) var failure: (cause: SystemFailure, at: Int64)?
    private(set) var retentionFailure: SystemFailure?
    /// Of the file system that the log was last opened on, and how often it was another one than before.
    private var device: UInt64?
    private(set) var moves = 0
    private var nextSweep: Int64 = .min
    private var clock = WallClockTrust()
    private var state: LogState
    private var stateIsDue = false
    private var openStories = OpenStories()
    /// The descriptor that holds the lock; to be closed by who owns this writer.
    private(set) var lock: Int32

    /// After a failure the disk is tried again this often. Microseconds.
    static let pace: Int64 = 1_000_000
    /// A line that was written so long ago is synchronised when `work` is next called, which is twice a second: at most
    /// 1 s after it was written. Microseconds.
    static let syncPace: Int64 = 500_000
    /// Old files are looked for this often, after a rotation, and when the disk is full. Microseconds.
    static let sweepPace: Int64 = 600_000_000
    /// So many ordinals are set aside at a time.
    static let ordinalBlock: UInt64 = 200
    /// So many sequence numbers.
    static let sequenceBlock: UInt64 = 10_000

    /// The file that lines go to.
    private struct OpenLog {
        let descriptor: Int32
        let facts: FileFacts
        /// Where the next line goes: the file's size as this writer knows it.
        var size: Int64
        /// Of the first line; nil while the file is empty.
        var first: (sequence: UInt64, utc: Int64)?
        /// Bytes of the held line that are in the file already and could not be taken back.
        var sent = 0
        /// What was written since the last synchronisation.
        var unsynced: [LineRing.Line] = []
        var unsyncedSince: Int64?
        var isUrgent = false
        /// A synchronisation failed: the system may have forgotten what was unsynced.
        var mustRewrite = false
    }

    init(ring: LineRing, paths: LogPaths, settings: LogSettings, state: LogState, lock: Int32, files: any FileSystem) {
        self.ring = ring
        self.lock = lock
        self.paths = paths
        self.settings = settings
        self.state = state
        self.files = files
    }

    /// Tells the end of the last session, then writes down that this one has begun.
    mutating func begin(with missing: [Event], now: Int64) {
        ring.append(missing)
        work(now: now, isLast: true)
        if failure == nil {
            state.sessionSequence = ring.nextSequence
            openStories.isComplete = true
        }
        stateIsDue = true
        work(now: now, isLast: true)
    }

    /// Nothing waits: every line is written and synchronised.
    var isSettled: Bool { held == nil && again.isEmpty && ring.isEmpty && log?.unsyncedSince == nil && failure == nil }

    /// Writes what waits; after a failure not before a second has passed, unless `isLast`.
    /// - Parameter isLast: synchronises at once, and tries also right after a failure.
    mutating func work(now: Int64, isLast: Bool = false) {
        clock.note(wall: files.utcNow(), monotonic: now)
        if let failure, now - failure.at < Self.pace, !isLast { return }
        do {
            try noticeReplacement()
            if !again.isEmpty { _ = try openLog() }
            if log?.mustRewrite == true { try synchronize() }
            while let line = held ?? takeLine() {
                held = line
                try write(line, now: now)
                held = nil
            }
            if let loss = ring.takeLoss() {
                held = loss
                try write(loss, now: now)
                held = nil
            }
            if let log, let since = log.unsyncedSince, isLast || isDue(log, since: since, now: now) {
                try synchronize()
            }
            if stateIsDue {
                try synchronize()
                try writeState()
            }
            failure = nil
        } catch {
            failure = (error, now)
        }
        sweepIfDue(now: now)
    }

    /// A replay can be run again: only its end is synchronised.
    private func isDue(_ log: OpenLog, since: Int64, now: Int64) -> Bool {
        paths.state != nil && (log.isUrgent || now - since >= Self.syncPace)
    }

    /// Closes the file; the next line opens it anew. For SIGUSR1, after someone renamed it.
    mutating func reopen(now: Int64) {
        work(now: now, isLast: true)
        closeLog()
    }

    /// Writes, synchronises and closes.
    mutating func close(nextOrdinal: UInt64?, now: Int64) {
        work(now: now, isLast: true)
        closeLog()
        if let nextOrdinal, failure == nil {
            state.nextOrdinal = nextOrdinal
            state.nextSequence = ring.nextSequence
            do { try writeState() } catch { failure = (error, now) }
        }
    }

    private mutating func takeLine() -> LineRing.Line? { again.isEmpty ? ring.take() : again.removeFirst() }

    private mutating func closeLog() {
        if let log { files.close(log.descriptor) }
        log = nil
    }

    // MARK: Writing

    private mutating func write(_ line: LineRing.Line, now: Int64) throws(SystemFailure) {
        reserve(for: line)
        try rotateIfDue(before: line)
        var log = try openLog()
        // Held once, or every line would copy all that is unsynced.
        self.log = nil
        defer { self.log = log }
        while log.sent < line.bytes.count {
            do {
                let count = try files.write(log.descriptor, line.bytes[log.sent...], path: paths.active)
                log.sent += count
            } catch {
                takeBack(&log)
                throw error
            }
        }
        log.sent = 0
        log.size += Int64(line.bytes.count)
        if paths.state != nil { log.unsynced.append(line) }
        if log.first == nil { log.first = (line.sequence, line.event.time.utcMicroseconds) }
        if log.unsyncedSince == nil { log.unsyncedSince = now }
        log.isUrgent = log.isUrgent || line.isUrgent
        openStories.note(line)
    }

    /// Cuts a piece of a line off again; where that fails too, the rest will follow it.
    private func takeBack(_ log: inout OpenLog) {
        guard log.sent > 0 else { return }
        do {
            try files.truncate(log.descriptor, to: log.size, path: paths.active)
            log.sent = 0
        } catch {}
    }

    private mutating func openLog() throws(SystemFailure) -> OpenLog {
        if let log { return log }
        try renewLock()
        var descriptor: Int32
        do {
            if !again.isEmpty { try passOverWhatIsThere() }
            descriptor = try files.open(paths.active, flags: O_RDWR | O_APPEND)
        } catch  where error.code == ENOENT {
            try files.makeDirectory(paths.directory)
            descriptor = try files.open(paths.active, flags: O_RDWR | O_APPEND | O_CREAT | O_EXCL)
            do { try files.synchronizeDirectory(paths.directory) } catch {
                files.close(descriptor)
                throw error
            }
        }
        let facts = try files.facts(descriptor, path: paths.active)
        var opened = OpenLog(descriptor: descriptor, facts: facts, size: facts.size)
        if facts.size > 0 { opened.first = try firstLine(descriptor) }
        log = opened
        if let device, device != facts.device { moves += 1 }
        device = facts.device
        return opened
    }

    /// The lock is a file beside the log: once that is removed, another process can take a new one.
    private mutating func renewLock() throws(SystemFailure) {
        let held = try files.facts(lock, path: paths.lock)
        if let found = try files.facts(paths.lock), found.inode == held.inode, found.device == held.device { return }
        try files.makeDirectory(paths.directory)
        let renewed = try files.open(paths.lock, flags: O_RDWR | O_CREAT)
        var isOurs = false
        defer { if !isOurs { files.close(renewed) } }
        isOurs = try files.lock(renewed, path: paths.lock)
        guard isOurs else { throw SystemFailure(call: "flock", path: paths.lock, code: EWOULDBLOCK) }
        files.close(lock)
        lock = renewed
    }

    private func firstLine(_ descriptor: Int32) throws(SystemFailure) -> (sequence: UInt64, utc: Int64)? {
        let bytes = try files.read(descriptor, at: 0, count: EventRecord.maximumBytes, path: paths.active)
        guard let line = LogLine(bytes.prefix { $0 != 0x0a }), let time = line.time else { return nil }
        return (line.seq, time.utcMicroseconds)
    }

    /// The path may lead to another file by now (renamed, removed, on another disk) or the file may be shorter (copied and
    /// truncated).
    private mutating func noticeReplacement() throws(SystemFailure) {
        guard var log else { return }
        let found = try files.facts(paths.active)
        guard let found, found.inode == log.facts.inode, found.device == log.facts.device else {
            do { try synchronize() } catch {
                again = log.unsynced + (held.map { [$0] } ?? []) + again
                held = nil
                stateIsDue = true
            }
            closeLog()
            return
        }
        if found.size < log.size {
            (log.size, log.sent, log.first) = (found.size, 0, nil)
            (log.unsynced, log.unsyncedSince, log.isUrgent, log.mustRewrite) = ([], nil, false, false)
            self.log = log
        }
    }

    /// A repaired disk may have kept some of the lines that come again, and a piece of one.
    private mutating func passOverWhatIsThere() throws(SystemFailure) {
        let last = try LogRecovery.cutTornLine(paths.active, files).last
        again.removeAll { $0.sequence <= last ?? 0 }
    }

    // MARK: Synchronising

    private mutating func synchronize() throws(SystemFailure) {
        guard var log, log.unsyncedSince != nil else { return }
        defer { self.log = log }
        if log.mustRewrite { try rewrite(log) }
        do {
            try files.synchronize(log.descriptor, path: paths.active)
        } catch {
            log.mustRewrite = true
            throw error
        }
        (log.unsynced, log.unsyncedSince, log.isUrgent, log.mustRewrite) = ([], nil, false, false)
    }

    /// After a failed fdatasync the kernel may have marked pages clean that never reached the disk: the same bytes are
    /// written to the same place again, which makes them dirty again and changes nothing for readers.
    private func rewrite(_ log: OpenLog) throws(SystemFailure) {
        let bytes = log.unsynced.flatMap(\.bytes)
        let descriptor = try files.open(paths.active, flags: O_WRONLY)
        defer { files.close(descriptor) }
        let found = try files.facts(descriptor, path: paths.active)
        guard found.inode == log.facts.inode, found.device == log.facts.device else { return }
        try files.write(descriptor, bytes[...], at: log.size - Int64(bytes.count), path: paths.active)
    }

    // MARK: Rotation

    private mutating func rotateIfDue(before line: LineRing.Line) throws(SystemFailure) {
        guard paths.state != nil, let log, let first = log.first, log.sent == 0 else { return }
        let age = Double(line.event.time.utcMicroseconds - first.utc) / 3.6e9
        // Also one that began while the clock was ahead: it would not be old for as long.
        let isOld = settings.rotateHours.map { abs(age) >= $0 } ?? false
        guard isOld || log.size + Int64(line.bytes.count) > settings.rotateBytes else { return }
        try synchronize()
        try files.rename(paths.active, to: paths.rotated(first: first.sequence))
        closeLog()
        _ = try openLog()
        if openStories.isComplete {
            state.sessionSequence = openStories.first ?? line.sequence
            stateIsDue = true
        }
        nextSweep = .min
    }

    private mutating func sweepIfDue(now: Int64) {
        let isFull = failure.map { $0.cause.code == ENOSPC || $0.cause.code == EDQUOT } ?? false
        guard paths.state != nil, now >= nextSweep || isFull else { return }
        nextSweep = now + Self.sweepPace
        var settings = settings
        if !clock.isTrusted(monotonic: now) { settings.keepDays = nil }
        do {
            try LogRetention(paths: paths, settings: settings, files: files).sweep()
            retentionFailure = nil
        } catch { retentionFailure = error }
    }

    // MARK: State

    /// Sets the next block of numbers aside before the last one is used up. The state is written when the line is
    /// durable: a first line that never was would leave a hole.
    private mutating func reserve(for line: LineRing.Line) {
        if line.sequence + Self.sequenceBlock / 2 >= state.nextSequence {
            state.nextSequence = line.sequence + Self.sequenceBlock
            stateIsDue = true
        }
        if case .start(let report) = line.event.kind,
            report.track.id.ordinal + Self.ordinalBlock / 2 >= state.nextOrdinal
        {
            state.nextOrdinal = report.track.id.ordinal + Self.ordinalBlock
            stateIsDue = true
        }
    }

    private mutating func writeState() throws(SystemFailure) {
        if let path = paths.state {
            do { try state.write(path, files) } catch {
                guard error.code == ENOENT else { throw error }
                try files.makeDirectory(LogPaths.split(path).directory)
                try state.write(path, files)
            }
        }
        stateIsDue = false
    }
}
