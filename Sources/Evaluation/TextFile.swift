internal import FoundationEssentials

/// The bytes of a file.
func contents(of path: String) throws(EvaluationError) -> Data {
    do { return try Data(contentsOf: URL(filePath: path)) } catch { throw .unreadable(path: path) }
}

/// Calls `body` with the fields of every line that is not blank; fields are separated by commas or white space.
func forEachLine(
    of path: String, _ body: (_ line: Int, _ fields: [Substring]) throws(EvaluationError) -> Void
) throws(EvaluationError) {
    let text = String(decoding: try contents(of: path), as: UTF8.self)
    var number = 0
    // Bytes and not characters: CR LF is one character.
    for line in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
        number += 1
        let fields = line.split { separators.contains($0) }.map { Substring($0) }
        if !fields.isEmpty { try body(number, fields) }
    }
}

private let separators: [UInt8] = [",", " ", "\t", "\r"].map { (scalar: Unicode.Scalar) in UInt8(ascii: scalar) }

/// Whether there is a folder at this path.
func isFolder(_ path: String) -> Bool {
    var folder = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &folder) && folder
}

func fileExists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

/// Names in a folder, sorted.
func names(in path: String) throws(EvaluationError) -> [String] {
    do { return try FileManager.default.contentsOfDirectory(atPath: path).sorted() } catch {
        throw .unreadable(path: path)
    }
}
