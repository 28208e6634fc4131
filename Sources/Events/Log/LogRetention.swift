internal import Glibc
public import Scene

/// Removes old logs and pictures of all cameras, also of those that are no longer configured, oldest first; never a log
/// that may still be written.
struct LogRetention {
    let paths: LogPaths
    let settings: LogSettings
    let files: any FileSystem

    private struct OldFile {
        let path: String
        let facts: FileFacts
    }

    /// - Returns: what was removed.
    @discardableResult
    func sweep() throws(SystemFailure) -> [String] {
        guard settings.hasLimit else { return [] }
        let (candidates, writtenBytes) = try oldestFirst()
        var bytes = candidates.reduce(writtenBytes) { $0 + $1.facts.size }
        let horizon = settings.keepDays.map { files.utcNow() - Int64($0 * 86_400e6) }
        var removed: [String] = []
        for file in candidates {
            let isOld = horizon.map { file.facts.modified < $0 } ?? false
            let isTooMuch = settings.keepBytes.map { bytes > $0 } ?? false
            var isTight = false
            if let least = settings.keepFreeBytes { isTight = try files.freeBytes(paths.directory) < least }
            guard isOld || isTooMuch || isTight else { break }
            // Another camera's sweep may have been faster.
            do { try files.remove(file.path) } catch { if error.code != ENOENT { throw error } }
            bytes -= file.facts.size
            removed.append(file.path)
        }
        return removed
    }

    /// Whether a log of this name is a camera's, or was: other files may lie here, too.
    private func isOfCamera(_ log: String) throws(SystemFailure) -> Bool {
        guard log.hasSuffix(LogPaths.suffix) else { return false }
        if log == paths.name { return true }
        return try files.facts(paths.state(of: String(log.dropLast(LogPaths.suffix.count)))) != nil
    }

    /// - Returns: also how many bytes the logs have that are still written.
    private func oldestFirst() throws(SystemFailure) -> (files: [OldFile], writtenBytes: Int64) {
        var old: [OldFile] = []
        var written: Int64 = 0
        var folders = paths.pictures.map { [$0] } ?? []
        for name in try files.list(paths.directory) {
            let path = paths.directory + "/" + name
            guard let facts = try files.facts(path) else { continue }
            if facts.isDirectory {
                if path != paths.pictures, try isOfCamera(name + LogPaths.suffix) { folders.append(path) }
            } else if let log = LogPaths.origin(ofRotated: name) {
                if try isOfCamera(log) { old.append(OldFile(path: path, facts: facts)) }
            } else if try isOfCamera(name) {
                written += facts.size
            }
        }
        for folder in folders where try files.facts(folder) != nil {
            for name in try files.list(folder) where name.hasSuffix(".jpg") || name.hasSuffix(".part") {
                let path = folder + "/" + name
                if let facts = try files.facts(path), !facts.isDirectory {
                    old.append(OldFile(path: path, facts: facts))
                }
            }
        }
        return (old.sorted { ($0.facts.modified, $0.path) < ($1.facts.modified, $1.path) }, written)
    }
}

/// Logs of cameras that are no longer configured.
public enum FormerLogs {
    /// Rotates the last log of every such camera, so that retention covers it.
    ///
    /// What cannot be rotated now is with the next start.
    /// - Parameters:
    ///   - stateDirectory: nil: the logs' own.
    ///   - cameras: Those of the configuration.
    public static func rotate(
        in directory: String, stateDirectory: String?, settings: LogSettings, except cameras: [CameraID]
    ) {
        guard settings.hasLimit else { return }
        rotate(in: directory, stateDirectory: stateDirectory, except: cameras, files: RealFileSystem())
    }

    static func rotate(
        in directory: String, stateDirectory: String?, except cameras: [CameraID], files: any FileSystem
    ) {
        let known = Set(cameras.map { LogPaths.fileName($0) })
        for log in (try? files.list(directory)) ?? [] where log.hasSuffix(LogPaths.suffix) {
            let name = String(log.dropLast(LogPaths.suffix.count))
            let paths = LogPaths(name: name, directory: directory, stateDirectory: stateDirectory, pictures: nil)
            // Without a state it is no daemon's log.
            guard !known.contains(name), let state = paths.state, (try? files.facts(state)) ?? nil != nil else {
                continue
            }
            try? rotate(paths, files)
        }
    }

    private static func rotate(_ paths: LogPaths, _ files: any FileSystem) throws(SystemFailure) {
        let lock = try files.open(paths.lock, flags: O_RDWR | O_CREAT)
        defer { files.close(lock) }
        guard try files.lock(lock, path: paths.lock),
            let first = try LogRecovery.firstSequence(paths.active, files)
        else { return }
        let rotated = paths.rotated(first: first)
        guard try files.facts(rotated) == nil else { return }
        try files.rename(paths.active, to: rotated)
    }
}
