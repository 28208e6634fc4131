import Foundation
import TestTools
import Testing

/// The built command, run as a user would run it.
enum Hcqd {
    /// Beside the test bundle: SwiftPM builds both into one directory.
    static let binary: URL = {
        let directory = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
            .deletingLastPathComponent()
        return directory.appendingPathComponent("hcqd")
    }()

    /// Where `make` puts it on systems that leave documentation out, else where Debian's opencv-doc has it.
    static let clip: String = {
        let made = project.appendingPathComponent("demo-output/vtest.avi").path
        return FileManager.default.fileExists(atPath: made) ? made : "/usr/share/doc/opencv-doc/examples/data/vtest.avi"
    }()

    /// The interpreter that `make test` prepares; nil when the tests are run by hand without it.
    static let python = ProcessInfo.processInfo.environment["HCQD_PYTHON"]

    static let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func run(_ arguments: String..., environment: [String: String] = [:], in folder: Scratch) throws
        -> Program.Outcome
    {
        try run(binary.path, arguments, environment: environment, in: folder)
    }

    static func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], in folder: Scratch
    ) throws -> Program.Outcome {
        try Program.run(program, arguments, in: folder.url.path, environment: environment)
    }

    /// A seeded network, small and untrained, whose chance detections make tracks.
    static func model(in folder: Scratch, seed: Int = 4) throws -> String {
        let configuration = """
            {"backbone":"resnet18","hidden_dim":64,"queries":20,"encoder_layers":1,"encoder_ffn":128,\
            "decoder_layers":2,"decoder_ffn":128}
            """
        try configuration.write(to: folder.url.appendingPathComponent("net.json"), atomically: true, encoding: .utf8)
        let made = try run(
            "model", "new", "--config", "net.json", "--seed", "\(seed)", "-o", "net.safetensors", in: folder)
        try #require(made.status == 0, "\(made.errors)")
        return "net.safetensors"
    }
}

/// A folder of a test's own, gone with it.
final class Scratch {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("hcqd-e2e-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }
    func data(_ name: String) throws -> Data { try Data(contentsOf: url.appendingPathComponent(name)) }

    func ffmpeg(_ arguments: String...) throws {
        let made = try Hcqd.run("/usr/bin/ffmpeg", ["-v", "error", "-y"] + arguments, in: self)
        try #require(made.status == 0, "\(made.errors)")
    }
}
