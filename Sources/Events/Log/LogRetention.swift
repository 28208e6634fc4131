internal import Scene

/// Removes old logs and pictures, oldest first; never the log that is written.
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
        guard settings.keepDays != nil || settings.keepBytes != nil || settings.keepFreeBytes != nil else { return [] }
        let candidates = try oldestFirst()
        var bytes = candidates.reduce(try files.facts(paths.active)?.size ?? 0) { $0 + $1.facts.size }
        let horizon = settings.keepDays.map { files.utcNow() - Int64($0 * 86_400e6) }
        var removed: [String] = []
        for file in candidates {
            let isOld = horizon.map { file.facts.modified < $0 } ?? false
            let isTooMuch = settings.keepBytes.map { bytes > $0 } ?? false
            var isTight = false
            if let least = settings.keepFreeBytes { isTight = try files.freeBytes(paths.directory) < least }
            guard isOld || isTooMuch || isTight else { break }
            try files.remove(file.path)
            bytes -= file.facts.size
            removed.append(file.path)
        }
        return removed
    }

    private func oldestFirst() throws(SystemFailure) -> [OldFile] {
        var candidates = try LogPaths.rotated(paths, files)
        if let pictures = paths.pictures, try files.facts(pictures) != nil {
            candidates += try files.list(pictures).filter { $0.hasSuffix(".jpg") || $0.hasSuffix(".part") }.map {
                pictures + "/" + $0
            }
        }
        var old: [OldFile] = []
        for path in candidates {
            if let facts = try files.facts(path), !facts.isDirectory { old.append(OldFile(path: path, facts: facts)) }
        }
        return old.sorted { ($0.facts.modified, $0.path) < ($1.facts.modified, $1.path) }
    }
}
