import Foundation
import TestTools
import Testing

/// The Python packages that this room is measured against, and the data that is used in place.
enum Reference {
    /// The interpreter that `make test` prepares; nil when the tests are run by hand without it.
    static let python = ProcessInfo.processInfo.environment["HCQD_PYTHON"]

    /// The folder of tracking truth; nil on machines without the data.
    static let tracking: String? = {
        let data = ProcessInfo.processInfo.environment["HCQD_DATA"] ?? "../shared/data"
        let folder = data + "/tracking"
        return FileManager.default.fileExists(atPath: folder) ? folder : nil
    }()

    /// Runs a program of the folder Reference.
    /// - Returns: what it prints, as JSON.
    static func run(_ program: String, _ arguments: [String]) throws -> Any {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Reference/" + program).path
        let data = try output(of: try #require(python), [path] + arguments)
        return data.isEmpty ? [] : try JSONSerialization.jsonObject(with: data)
    }

    static func output(of executable: String, _ arguments: [String]) throws -> Data {
        let outcome = try Program.run(executable, arguments)
        try #require(outcome.status == 0, "\(executable) \(arguments.first ?? "") failed\n\(outcome.errors)")
        return outcome.output
    }

    /// A new folder, removed after `body`.
    static func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "hcqd-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder.path)
    }
}
