internal import Glibc
internal import Scene

/// A log that is ready to be written, and what the last session had left.
struct LogOpening {
    let ring: LineRing
    var writer: LogWriter
    /// The first ordinal that the camera's tracker may give.
    let firstOrdinal: UInt64
    /// What was told of the last session's open stories: in the log, or in the ring while the disk fails.
    let recovered: [Event]
    /// Bytes of a torn line that were cut.
    let cutBytes: Int
    /// The number of this session's first line.
    let firstSequence: UInt64
    /// The state tells of lines, and there is no log.
    let isAbsent: Bool

    /// Takes the lock, cuts a torn line, ends what a crash left open, and sets numbers aside for this session.
    /// - Throws: when another process has the log, or it cannot be read.
    init(
        live camera: CameraID, paths: LogPaths, settings: LogSettings, files: any FileSystem, now: Int64
    ) throws(EventLogError) {
        let lock = try Self.takeLock(paths, files)
        do throws(SystemFailure) {
            if let directory = paths.state.map({ LogPaths.split($0).directory }) { try files.makeDirectory(directory) }
            let old = try paths.state.flatMap { path throws(SystemFailure) in try LogState.read(path, files) }
            let recovery = try LogRecovery(paths, camera: camera, state: old, files: files)
            (recovered, cutBytes) = (recovery.missing, recovery.cutBytes)
            (firstSequence, isAbsent) = (recovery.nextSequence, recovery.isEmpty && recovery.nextSequence > 1)
            var state = old ?? LogState()
            firstOrdinal = max(state.nextOrdinal, recovery.nextOrdinal)
            state.nextOrdinal = firstOrdinal + LogWriter.ordinalBlock
            ring = LineRing(
                camera: camera, clock: .wall, nextSequence: recovery.nextSequence, byteLimit: settings.memoryBytes)
            writer = LogWriter(ring: ring, paths: paths, settings: settings, state: state, lock: lock, files: files)
        } catch {
            files.close(lock)
            throw .system(error)
        }
        writer.begin(with: recovered, now: now)
    }

    /// Takes the lock and begins an empty log.
    init(replay camera: CameraID, paths: LogPaths, clock: ClockSource, files: any FileSystem) throws(EventLogError) {
        let lock = try Self.takeLock(paths, files)
        do throws(SystemFailure) {
            files.close(try files.open(paths.active, flags: O_WRONLY | O_CREAT | O_TRUNC))
            try files.synchronizeDirectory(paths.directory)
        } catch {
            files.close(lock)
            throw .system(error)
        }
        let settings = LogSettings()
        (firstOrdinal, recovered, cutBytes, firstSequence, isAbsent) = (1, [], 0, 1, false)
        ring = LineRing(camera: camera, clock: clock, nextSequence: 1, byteLimit: settings.memoryBytes)
        writer = LogWriter(ring: ring, paths: paths, settings: settings, state: LogState(), lock: lock, files: files)
    }

    private static func takeLock(_ paths: LogPaths, _ files: any FileSystem) throws(EventLogError) -> Int32 {
        let (lock, isOurs): (Int32, Bool)
        do throws(SystemFailure) {
            try files.makeDirectory(paths.directory)
            lock = try files.open(paths.lock, flags: O_RDWR | O_CREAT)
            do throws(SystemFailure) { isOurs = try files.lock(lock, path: paths.lock) } catch {
                files.close(lock)
                throw error
            }
        } catch {
            throw .system(error)
        }
        guard isOurs else {
            files.close(lock)
            throw .locked(path: paths.active)
        }
        return lock
    }
}
