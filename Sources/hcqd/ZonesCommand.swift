import ArgumentParser
internal import Foundation
internal import Pipeline
internal import Scene

/// `hcqd zones CLIP-OR-URL`
struct ZonesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zones", abstract: "Draw zones and lines on pictures of a clip or a camera, in a browser.",
        discussion: """
            Serves a page with stills of the source, and with the scene without people where they move. Draw, name, \
            and copy YAML for the configuration; `hcqd check` takes it as it is. Ctrl-C ends it. Cameras of a running \
            daemon have the same page: follow "zones" on its live page.

            Examples:
              hcqd zones clip.mp4
              hcqd zones rtsp://192.0.2.10/stream1 --camera door
              hcqd zones door --config /etc/hcqd/hcqd.yaml  # to change its zones
              hcqd zones clip.mp4 --config hcqd.yaml --camera yard
            """)

    @Argument(
        help: "A clip, a folder of pictures, a device or a URL; with --config also a camera's name.",
        completion: .file())
    var source: String

    @Option(help: "The camera's name; by default that of the clip's file.")
    var camera: String?

    @Option(
        help: "Begin with the zones and lines that the camera has in this file.",
        completion: .file(extensions: ["yaml"]))
    var config: String?

    @Option(help: "Where the page is; any address but loopback gets a token. Port 0 is any free one.")
    var listen = ListenAddress(host: "127.0.0.1", port: 8687)

    @Option(help: "For how long the source is looked at, seconds.")
    var seconds: Double = 10

    func validate() throws {
        if !(0.1...3600).contains(seconds) { throw ValidationError("--seconds \(plain(seconds)): must be 0.1...3600.") }
    }

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        var configuration: Configuration?
        try reporting { configuration = try config.map { try Configuration(contentsOf: $0) } }
        let (location, name) = try place(in: configuration)
        try reporting {
            let desk = try ZoneDesk(location, camera: name, configuration: configuration, seconds: seconds)
            try desk.serve(address: listen.host, port: listen.port) { address in
                print("Draw zones at \(address)  (Ctrl-C ends)")
                fflush(nil)
            }
        }
    }

    /// What to look at, and the camera's name.
    private func place(in configuration: Configuration?) throws -> (location: String, name: String) {
        if let known = configuration?.cameras[source] { return (known.url, camera ?? source) }
        if let configuration, let camera, configuration.cameras[camera] == nil {
            let known = configuration.cameras.keys.sorted().joined(separator: ", ")
            throw ValidationError("--camera \(camera): the configuration knows \(known.isEmpty ? "no camera" : known).")
        }
        return (source, camera ?? ReplayOptions(clip: source, output: .standardOutput).cameraName)
    }
}

/// `127.0.0.1:8687` or `[::1]:8687` on the command line.
struct ListenAddress: ExpressibleByArgument, CustomStringConvertible {
    let host: String
    let port: Int

    init(host: String, port: Int) { (self.host, self.port) = (host, port) }

    init?(argument: String) {
        guard let colon = argument.lastIndex(of: ":"), let port = Int(argument[argument.index(after: colon)...]),
            (0...65_535).contains(port)
        else { return nil }
        var host = argument[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard HTTPSettings.isAddress(String(host)) || host == "localhost" else { return nil }
        self.init(host: String(host), port: port)
    }

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    var defaultValueDescription: String { description }
}
