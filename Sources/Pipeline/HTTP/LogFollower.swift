internal import Foundation

/// Reads a camera's log from a sequence number on, over rotations, while it grows. A value for one reader.
struct LogFollower {
    struct Line: Sendable {
        let sequence: UInt64
        /// Without the newline.
        let bytes: Data
    }

    let path: String
    /// Lines before this are passed over.
    private(set) var nextSequence: UInt64
    private var file: OpenFile?

    private struct OpenFile {
        let handle: FileHandle
        let inode: UInt64
        var offset: UInt64 = 0
        var rest = Data()
    }

    /// - Parameter path: Of the log that is being written; older ones lie beside it with something after its name.
    init(path: String, from sequence: UInt64) {
        self.path = path
        nextSequence = sequence
    }

    /// The next lines that are there, at most `limit`; empty when nothing new came.
    mutating func read(limit: Int = 1000) -> [Line] {
        var lines: [Line] = []
        while lines.count < limit {
            guard let line = nextLine() else { break }
            guard let sequence = Self.sequence(of: line), sequence >= nextSequence else { continue }
            nextSequence = sequence + 1
            lines.append(Line(sequence: sequence, bytes: line))
        }
        return lines
    }

    /// The number of the line after the last one on disk; 1 for a log that is not there.
    static func end(of path: String) -> UInt64 {
        guard let handle = FileHandle(forReadingAtPath: path), let size = try? handle.seekToEnd() else { return 1 }
        // A line has at most 64 KiB.
        try? handle.seek(toOffset: size > 131_072 ? size - 131_072 : 0)
        let tail = (try? handle.readToEnd()) ?? Data()
        let last = tail.split(separator: 0x0a).last { sequence(of: Data($0)) != nil }
        return last.flatMap { sequence(of: Data($0)) }.map { $0 + 1 } ?? 1
    }

    private mutating func nextLine() -> Data? {
        while true {
            if file == nil { openFile() }
            guard file != nil else { return nil }
            if let line = takeLine() { return line }
            if fill() { continue }
            guard isReplaced else { return nil }
            // The old file may have got lines between the last look and its renaming.
            if fill() { continue }
            let before = file?.inode
            file = nil
            openFile()
            if file == nil || file?.inode == before { return nil }
        }
    }

    private mutating func takeLine() -> Data? {
        guard let end = file?.rest.firstIndex(of: 0x0a), let start = file?.rest.startIndex else { return nil }
        let line = file?.rest[start..<end] ?? Data()
        file?.rest.removeSubrange(start...end)
        return Data(line)
    }

    /// Reads more bytes; false at the end of the file.
    private mutating func fill() -> Bool {
        guard var open = file else { return false }
        defer { file = open }
        if let size = try? open.handle.seekToEnd(), size < open.offset { (open.offset, open.rest) = (0, Data()) }
        try? open.handle.seek(toOffset: open.offset)
        guard let bytes = try? open.handle.read(upToCount: 262_144), !bytes.isEmpty else { return false }
        open.offset += UInt64(bytes.count)
        open.rest += bytes
        return true
    }

    /// Whether the path leads to another file by now.
    private var isReplaced: Bool { Self.inode(path) != file?.inode }

    /// Opens the file that the next line is in: the last one that begins at or before it.
    private mutating func openFile() {
        let directory = (path as NSString).deletingLastPathComponent
        let name = (path as NSString).lastPathComponent
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.isEmpty ? "." : directory)) ?? []
        var candidates: [(first: UInt64, path: String)] = []
        for found in names where found == name || found.hasPrefix(name + ".") {
            let full = (directory as NSString).appendingPathComponent(found)
            if let first = Self.firstSequence(full) { candidates.append((first, full)) }
        }
        candidates.sort { $0.first < $1.first }
        guard let chosen = candidates.last(where: { $0.first <= nextSequence }) ?? candidates.first,
            let handle = FileHandle(forReadingAtPath: chosen.path), let inode = Self.inode(chosen.path)
        else { return }
        file = OpenFile(handle: handle, inode: inode)
    }

    private static func firstSequence(_ path: String) -> UInt64? {
        guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
        return (try? handle.read(upToCount: 256)).flatMap { $0.flatMap(sequence(of:)) }
    }

    private static func inode(_ path: String) -> UInt64? {
        var facts = stat()
        return stat(path, &facts) == 0 ? UInt64(facts.st_ino) : nil
    }

    /// The `seq` of a line, which stands near its beginning.
    static func sequence(of line: Data) -> UInt64? {
        guard line.first == UInt8(ascii: "{"), let key = line.range(of: Data("\"seq\":".utf8)) else { return nil }
        let digits = line[key.upperBound...].prefix { (0x30...0x39).contains($0) }
        return UInt64(String(decoding: digits, as: UTF8.self))
    }

    /// The `type` of a line.
    static func type(of line: Data) -> String? {
        guard let key = line.range(of: Data("\"type\":\"".utf8)) else { return nil }
        return String(decoding: line[key.upperBound...].prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
    }
}
