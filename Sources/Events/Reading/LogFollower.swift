internal import Glibc

/// Reads a camera's log from a sequence number on, over rotations, while it grows. A value for one reader.
///
/// Lines whose number was passed already are left out, so that none comes twice; a log that begins anew with its first
/// line, such as that of a replay that is run again, is read from there.
public struct LogFollower: Sendable {
    public struct Line: Sendable {
        public let sequence: UInt64
        /// Without the newline.
        public let bytes: [UInt8]
    }

    /// Of the log that is being written; older ones lie beside it with something after its name.
    public let path: String
    /// Lines before this are passed over.
    public private(set) var nextSequence: UInt64
    private var file: OpenFile?
    private var waiting: ArraySlice<[UInt8]> = []
    /// Whether the next line is the first of a file that took the place of what was read before.
    private var isAtBeginning = false

    private struct OpenFile {
        let descriptor: Descriptor
        let facts: FileFacts
        var offset: Int64 = 0
        var scanner = LineScanner()
    }

    /// Closed with the last follower that reads from it.
    private final class Descriptor: Sendable {
        let number: Int32
        init(_ number: Int32) { self.number = number }
        deinit { RealFileSystem().close(number) }
    }

    public init(_ path: String, from sequence: UInt64 = 1) {
        self.path = path
        nextSequence = sequence
    }

    /// The next lines that are there, at most `limit`; empty when nothing new came, also while there is no log.
    /// - Throws: when the log is there and cannot be read.
    public mutating func read(limit: Int = 1000) throws(SystemFailure) -> [Line] {
        var lines: [Line] = []
        while lines.count < limit, let bytes = try nextLine() {
            guard let sequence = Self.sequence(of: bytes) else { continue }
            if isAtBeginning, sequence == 1 { nextSequence = 1 }
            isAtBeginning = false
            guard sequence >= nextSequence else { continue }
            nextSequence = sequence + 1
            lines.append(Line(sequence: sequence, bytes: bytes))
        }
        return lines
    }

    /// The number of the line after the last one on disk; 1 for a log that is not there.
    public static func end(of path: String) -> UInt64 {
        let files = RealFileSystem()
        guard let descriptor = try? files.open(path, flags: O_RDONLY) else { return 1 }
        defer { files.close(descriptor) }
        guard let size = try? files.facts(descriptor, path: path).size else { return 1 }
        let tailLength = Int64(2 * EventRecord.maximumBytes)
        let tail = try? files.read(
            descriptor, at: max(0, size - tailLength), count: Int(min(size, tailLength)), path: path)
        let numbers = (tail ?? []).split(separator: 0x0a).reversed().lazy.compactMap { sequence(of: Array($0)) }
        return (numbers.first ?? 0) + 1
    }

    private mutating func nextLine() throws(SystemFailure) -> [UInt8]? {
        while true {
            if let line = waiting.popFirst() { return line }
            guard let before = file?.facts else {
                try openFile()
                if file == nil { return nil }
                continue
            }
            if try fill() { continue }
            let now = try RealFileSystem().facts(path)
            guard now?.inode != before.inode || now?.device != before.device else { return nil }
            // The old file may have got lines between the last look and its renaming.
            if try fill() { continue }
            file = nil
            try openFile()
            guard let file, file.facts.inode != before.inode || file.facts.device != before.device else { return nil }
            isAtBeginning = file.facts.inode == now?.inode
        }
    }

    /// Reads more bytes; false at the end of the file.
    private mutating func fill() throws(SystemFailure) -> Bool {
        guard var open = file else { return false }
        defer { file = open }
        let (files, number) = (RealFileSystem(), open.descriptor.number)
        if try files.facts(number, path: path).size < open.offset {
            (open.offset, open.scanner, isAtBeginning) = (0, LineScanner(), true)
        }
        let bytes = try files.read(number, at: open.offset, count: 1 << 18, path: path)
        open.offset += Int64(bytes.count)
        waiting = open.scanner.take(bytes)[...]
        return !bytes.isEmpty
    }

    /// Opens the file that the next line is in: the last one that begins at or before it.
    private mutating func openFile() throws(SystemFailure) {
        let files = RealFileSystem()
        let (directory, name) = LogPaths.split(path)
        guard try files.facts(directory)?.isDirectory == true else { return }
        var candidates: [(first: UInt64, file: OpenFile)] = []
        for found in try files.list(directory)
        where found == name || found.hasPrefix(name + ".") || found.hasPrefix(name + "-") {
            let full = directory + "/" + found
            // A file that is removed meanwhile is none.
            guard let number = try? files.open(full, flags: O_RDONLY) else {
                if found == name { _ = try files.open(full, flags: O_RDONLY) }
                continue
            }
            let descriptor = Descriptor(number)
            guard let facts = try? files.facts(number, path: full), !facts.isDirectory,
                let head = try? files.read(number, at: 0, count: 256, path: full), let first = Self.sequence(of: head)
            else { continue }
            candidates.append((first, OpenFile(descriptor: descriptor, facts: facts)))
        }
        candidates.sort { $0.first < $1.first }
        file = (candidates.last { $0.first <= nextSequence } ?? candidates.first)?.file
    }

    /// The `seq` of a line, which stands near its beginning.
    static func sequence(of line: [UInt8]) -> UInt64? {
        guard line.first == UInt8(ascii: "{"), let start = end(ofKey: "\"seq\":", in: line) else { return nil }
        let digits = line[start...].prefix { (0x30...0x39).contains($0) }
        return UInt64(String(decoding: digits, as: UTF8.self)).flatMap { $0 <= LogLine.largestNumber ? $0 : nil }
    }

    /// The `type` of a line, which stands near its beginning.
    public static func type(of line: [UInt8]) -> String? {
        guard let start = end(ofKey: "\"type\":\"", in: line) else { return nil }
        return String(decoding: line[start...].prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
    }

    /// Where a key's value begins; keys that were looked for stand within the first 200 bytes.
    private static func end(ofKey key: StaticString, in line: [UInt8]) -> Int? {
        let key = UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount)
        let last = min(line.count, 200) - key.count
        guard last >= 0 else { return nil }
        return (0...last).first { line[$0..<($0 + key.count)].elementsEqual(key) }.map { $0 + key.count }
    }
}
