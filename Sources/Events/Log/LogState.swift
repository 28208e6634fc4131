internal import FoundationEssentials
internal import Glibc
internal import Scene

/// What must survive a restart even when all logs are gone.
struct LogState: Codable, Equatable {
    var version = 1
    /// No line has this number or a higher one, unless the log itself shows it.
    var nextSequence: UInt64 = 1
    /// No track has this ordinal or a higher one.
    var nextOrdinal: UInt64 = 1
    /// Every `start` below this number has its `end`; written when a session begins and with every rotation.
    var sessionSequence: UInt64 = 1

    enum CodingKeys: String, CodingKey {
        case version
        case nextSequence = "next_sequence"
        case nextOrdinal = "next_ordinal"
        case sessionSequence = "session_sequence"
    }

    /// nil when there is none or it cannot be read as one.
    static func read(_ path: String, _ files: any FileSystem) throws(SystemFailure) -> LogState? {
        guard let facts = try files.facts(path), facts.size < 65_536 else { return nil }
        let descriptor = try files.open(path, flags: O_RDONLY)
        defer { files.close(descriptor) }
        let bytes = try files.read(descriptor, at: 0, count: Int(facts.size), path: path)
        guard let state = try? JSONDecoder().decode(LogState.self, from: Data(bytes).endedJSON) else { return nil }
        let numbers = [state.nextSequence, state.nextOrdinal, state.sessionSequence]
        return numbers.allSatisfy { (1...LogLine.largestNumber).contains($0) } ? state : nil
    }

    /// Replaces the file as a whole: a reader finds the old state or the new one.
    func write(_ path: String, _ files: any FileSystem) throws(SystemFailure) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let json = try? encoder.encode(self) else { return }
        let bytes = Array(json) + [0x0a]
        let temporary = path + ".new"
        let descriptor = try files.open(temporary, flags: O_WRONLY | O_CREAT | O_TRUNC)
        defer { files.close(descriptor) }
        try files.write(descriptor, bytes[...], at: 0, path: temporary)
        try files.synchronize(descriptor, path: temporary)
        try files.rename(temporary, to: path)
        try files.synchronizeDirectory(LogPaths.split(path).directory)
    }
}
