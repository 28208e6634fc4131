import Foundation
import Glibc

/// One of hcqd's parsers as `make test` and libFuzzer feed it.
struct FuzzedParser: Sendable, CustomStringConvertible {
    let name: String
    /// Words of its format.
    var words: [String] = []
    /// What it takes, before damage.
    let corpus: [[UInt8]]
    /// How many inputs `make test` gives it.
    let count: Int
    /// Reads an input as hcqd would, and uses what it gets.
    /// - Throws: what the parser says of a bad input; `Violation` when the parser did what it must not.
    let read: @Sendable ([UInt8], FuzzFolder) throws -> Void

    var description: String { name }

    static let all = modelParsers + fileParsers + logParsers
}

/// A parser took an input and broke a promise.
struct Violation: Error {
    let promise: String

    static func unless(_ isKept: Bool, _ promise: String) throws {
        if !isKept { throw Violation(promise: promise) }
    }
}

/// An input was not what it should be, and that was noticed.
struct Refused: Error {}

/// A folder in memory where there is one.
final class FuzzFolder: Sendable {
    let path: String

    init() throws {
        let parent = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm/" : NSTemporaryDirectory()
        path = parent + "hcqd-fuzz-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file, whose path it gives.
    func write(_ bytes: [UInt8], _ name: String) throws -> String {
        let path = path + "/" + name
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(descriptor) }
        let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        try Violation.unless(written == bytes.count, "\(path) can be written")
        return path
    }

    /// Removes the files in it and in its folder `state`.
    func removeFiles() {
        for folder in [path, path + "/state"] {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name != "state" {
                unlink(folder + "/" + name)
            }
        }
    }
}
