internal import Glibc

/// Reads the whole lines of a log from a descriptor that may still grow.
struct LineScanner: Sendable {
    private var rest: [UInt8] = []

    /// The lines that `bytes` complete, without their newlines.
    mutating func take(_ bytes: [UInt8]) -> [[UInt8]] {
        rest += bytes
        var lines: [[UInt8]] = []
        var start = rest.startIndex
        while let newline = rest[start...].firstIndex(of: 0x0a) {
            lines.append(Array(rest[start..<newline]))
            start = newline + 1
        }
        rest.removeFirst(start)
        // No line of a log is that long: this is some other file.
        if rest.count > 16 * EventRecord.maximumBytes { rest = [] }
        return lines
    }
}

/// A log that logrotate or somebody else compressed.
public struct CompressedLog: Error, Equatable, CustomStringConvertible {
    public let path: String

    public var description: String { "\(path) is compressed; unpack it on the way: zcat \(path) | hcqd events -" }

    /// How files of gzip, xz, Zstandard and bzip2 begin.
    static let beginnings: [[UInt8]] = [
        [0x1f, 0x8b], [0xfd, 0x37, 0x7a], [0x28, 0xb5, 0x2f, 0xfd], Array("BZh".utf8),
    ]
    static let endings = [".gz", ".xz", ".zst", ".bz2"]
}

/// Reads logs from files.
public enum LogReader {
    /// Calls `body` for every line that can be read, with its bytes without the newline.
    /// - Parameter path: a file; `-` is standard input.
    /// - Returns: the number of lines that cannot be read.
    /// - Throws: `SystemFailure` when the file cannot be read, `CompressedLog`, or what `body` throws.
    @discardableResult
    public static func read(_ path: String, _ body: (LogLine, [UInt8]) throws -> Void) throws -> Int {
        let files = RealFileSystem()
        let descriptor = path == "-" ? 0 : try files.open(path, flags: O_RDONLY)
        defer { if path != "-" { files.close(descriptor) } }
        var scanner = LineScanner()
        var unreadable = 0
        var isFirst = true
        while true {
            let bytes = try files.readNext(descriptor, count: 1 << 18, path: path)
            if bytes.isEmpty { return unreadable }
            if isFirst, CompressedLog.beginnings.contains(where: bytes.starts) { throw CompressedLog(path: path) }
            isFirst = false
            for bytes in scanner.take(bytes) {
                if let line = LogLine(bytes) { try body(line, bytes) } else { unreadable += 1 }
            }
        }
    }

    /// The files that a person means: a directory stands for the logs in it with those that were rotated, a log that
    /// was rotated for its older parts too.
    public static func files(_ paths: [String]) throws(SystemFailure) -> [String] {
        let files = RealFileSystem()
        var found: [String] = []
        for path in paths {
            if path != "-", try files.facts(path)?.isDirectory == true {
                for name in try files.list(path) where name.hasSuffix(".jsonl") && !name.hasPrefix(".") {
                    // A camera's pictures lie beside its log.
                    if try files.facts(path + "/" + name)?.isDirectory == true { continue }
                    found += try older(path + "/" + name, files) + [path + "/" + name]
                }
            } else {
                if path.hasSuffix(".jsonl") { found += try older(path, files).filter { !paths.contains($0) } }
                found.append(path)
            }
        }
        return found
    }

    /// The compressed parts of these logs, which are not read with them.
    public static func compressedParts(of logs: [String]) throws(SystemFailure) -> [String] {
        var found: [String] = []
        for log in logs where log.hasSuffix(".jsonl") {
            let (directory, name) = LogPaths.split(log)
            found += try RealFileSystem().list(directory).filter { part in
                part.hasPrefix(name + ".") && CompressedLog.endings.contains { part.hasSuffix($0) }
            }.map { directory + "/" + $0 }
        }
        return found
    }

    private static func older(_ path: String, _ files: RealFileSystem) throws(SystemFailure) -> [String] {
        try LogPaths.rotated(LogPaths(replay: path), files)
    }
}
