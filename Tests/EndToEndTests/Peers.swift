import Foundation
import TestTools
import Testing

/// Debian's mosquitto with a subscriber that keeps its session.
final class Broker {
    let port = Int.random(in: 12_000..<20_000)
    private let folder: Scratch
    private var broker: Program?
    private var subscriber: Program?
    private let isTLS: Bool

    /// - Parameter isTLS: whether it speaks TLS, with `broker.pem` and `broker.key` signed by `ca.pem`, all made here.
    init(in folder: Scratch, isTLS: Bool = false) throws {
        self.folder = folder
        self.isTLS = isTLS
        var configuration = """
            listener \(port) 127.0.0.1
            allow_anonymous true
            persistence true
            persistence_location \(folder.url.path)/
            user root

            """
        if isTLS {
            try Self.makeAuthority("ca", in: folder)
            try Self.openssl(
                "req -newkey rsa:2048 -nodes -keyout broker.key -out broker.csr -subj /CN=localhost", in: folder)
            try Self.openssl(
                "x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out broker.pem", in: folder)
            configuration +=
                "cafile \(folder.path("ca.pem"))\ncertfile \(folder.path("broker.pem"))\nkeyfile \(folder.path("broker.key"))\n"
        }
        try configuration.write(toFile: folder.path("broker.conf"), atomically: true, encoding: .utf8)
        try Data().write(to: folder.url.appendingPathComponent("received"))
    }

    /// A certificate that signs others, and its key: `NAME.pem`, `NAME.key`.
    static func makeAuthority(_ name: String, in folder: Scratch) throws {
        try openssl(
            "req -x509 -newkey rsa:2048 -nodes -keyout \(name).key -out \(name).pem -days 2 -subj /CN=\(name)",
            in: folder)
    }

    private static func openssl(_ words: String, in folder: Scratch) throws {
        let made = try Hcqd.run("/usr/bin/openssl", words.split(separator: " ").map(String.init), in: folder)
        try #require(made.status == 0, "\(made.errors)")
    }

    /// What a client needs to reach it.
    private var clientArguments: [String] {
        ["-h", "localhost", "-p", "\(port)"] + (isTLS ? ["--cafile", folder.path("ca.pem")] : [])
    }

    /// Starts the broker, and, the first time, the subscriber, which finds its way back by itself.
    func start() throws {
        broker = try Program("/usr/sbin/mosquitto", ["-c", folder.path("broker.conf")])
        guard subscriber == nil else { return }
        let hello = clientArguments + ["-t", "x", "-m", "x"]
        let listens = holds(within: 20) { (try? Hcqd.run("/usr/bin/mosquitto_pub", hello, in: Scratch()))?.status == 0 }
        try #require(listens, "mosquitto does not start")
        subscriber = try Program(
            "/usr/bin/mosquitto_sub",
            clientArguments + ["-i", "watcher", "-c", "-q", "1", "-t", "hcqd/#", "-t", "homeassistant/#", "-v"],
            output: .file(folder.path("received")))
    }

    /// Ends the broker, which writes its sessions down; the subscriber goes on trying.
    func stop() {
        broker?.signal(SIGTERM)
        broker?.wait()
        broker = nil
    }

    var received: String { (try? String(contentsOfFile: folder.path("received"), encoding: .utf8)) ?? "" }

    /// Numbers of the lines that arrived.
    var sequences: Set<Int> {
        Set(
            received.split(separator: "\n").compactMap { line in
                guard line.hasPrefix("hcqd/events {"), let key = line.range(of: "\"seq\":") else { return nil }
                return Int(line[key.upperBound...].prefix { $0.isNumber })
            })
    }
}

/// A camera of GStreamer's RTSP server.
final class GStreamerCamera {
    private var server: TestServer?
    let address: String
    let port: Int

    /// - Parameter port: 0 takes a free one.
    init(port: Int = 0) throws {
        let server = try TestServer("gst_camera.py", ["\(port)"])
        address = server.address
        self.port = try #require(URLComponents(string: address)?.port)
        self.server = server
    }

    func stop() { server = nil }
}
