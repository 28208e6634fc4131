import ArgumentParser
internal import Foundation
internal import Pipeline
internal import Scene

/// `hcqd probe URL`
struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "Say what a camera sends and what hcqd would do with it.",
        discussion: """
            Examples:
              hcqd probe 'rtsp://${CAMERA_USER}:${CAMERA_PASSWORD}@192.0.2.10/stream1'
              hcqd probe front_door --config /etc/hcqd/hcqd.yaml
            """)

    @Argument(help: "A URL, a device, a file, or with --config a camera's name.")
    var source: String

    @Option(
        help: "Take the camera and the model's settings from this configuration.",
        completion: .file(extensions: ["yaml"]))
    var config: String?

    @Option(help: "How long to look, seconds.")
    var seconds: Double = 3

    func validate() throws {
        if !(0...3600).contains(seconds) { throw ValidationError("--seconds \(plain(seconds)): must be 0...3600.") }
    }

    func run() throws {
        var configuration: Configuration?
        try reporting { configuration = try config.map { try Configuration(contentsOf: $0) } }
        let camera = configuration?.cameras[source]
        if let configuration, camera == nil, !source.contains("/"), !FileManager.default.fileExists(atPath: source) {
            let known = configuration.cameras.keys.sorted().joined(separator: ", ")
            throw ValidationError("\(source): the configuration knows \(known.isEmpty ? "no camera" : known).")
        }
        try reporting {
            print(
                try Probe(
                    camera?.url ?? source, model: configuration?.model ?? ModelSettings(), camera: camera,
                    seconds: seconds))
        }
    }
}
