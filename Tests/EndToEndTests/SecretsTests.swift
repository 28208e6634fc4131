import Foundation
import TestTools
import Testing

/// Passwords in URLs and settings, from the environment and from systemd's credentials: they reach whom they are for, and
/// nobody else reads them anywhere.
@Suite(.serialized) struct SecretsTests {
    private let folder: Scratch
    private let camera: StreetCamera
    /// Every one of them holds `hush`, also where a URL ends after a character that is special in one.
    private let environment: [String: String]

    init() throws {
        folder = try Scratch()
        _ = try Hcqd.model(in: folder)
        camera = try StreetCamera(in: folder)
        let credentials = folder.url.appendingPathComponent("credentials")
        try FileManager.default.createDirectory(at: credentials, withIntermediateDirectories: true)
        try "hush-from-systemd@/?#%:\n".write(
            to: credentials.appendingPathComponent("GATE"), atomically: true, encoding: .utf8)
        environment = [
            "CREDENTIALS_DIRECTORY": credentials.path, "DOOR": "hush/environment@%", "TOKEN": "hush-token",
            "GATE": "not this one",
        ]
    }

    private func signedIn(_ user: String, _ password: String, asks: String) -> String {
        let address = camera.address.replacing("rtsp://", with: "rtsp://\(user):\(password)@")
        return "\(address)cam?user=\(user)&password=\(asks)"
    }

    /// The password as a URL's query holds it.
    private static func escaped(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    }

    @Test func passwordsOpenCamerasAndAreShownNowhere() throws {
        let daemon = try LiveDaemon(
            cameras: """
                  door: {url: "\(signedIn("ann", "${DOOR}", asks: Self.escaped("hush/environment@%")))"}
                  gate: {url: "\(signedIn("ann", "${GATE}", asks: Self.escaped("hush-from-systemd@/?#%:")))"}
                  wrong: {url: "\(signedIn("ann", "hush-wrong", asks: "other"))"}
                  odd: {url: "\(signedIn("ann", "hu?sh/hush@hush", asks: "other"))"}
                  refused: {url: "rtsp://hush:hush-refused@127.0.0.1:9/cam?token=hush"}
                  web: {url: "http://hush:hush@127.0.0.1:9/live.mjpg?user=hush&pwd=hush"}
                  flash: {url: "rtmp://hush:hush@127.0.0.1:9/live/hush?key=hush"}
                  path: {url: "rtmp://127.0.0.1:9/app/${TOKEN}"}
                  nothing: {url: "srt://127.0.0.1:9?passphrase=hush-hush-hush"}
                """, in: folder,
            more: """
                mqtt: {enabled: true, port: 9, username: hush, password: hush-mqtt}
                hooks: {webhook: "http://hush:hush@127.0.0.1:9/?token=${TOKEN}"}
                """, environment: environment)
        try daemon.waitForLines("door") { $0.contains { $0.type == "camera_online" } }
        try daemon.waitForLines("gate") { $0.contains { $0.type == "camera_online" } }
        try daemon.waitForLines("wrong") { $0.contains { $0.reason == "unauthorized" } }
        for name in ["odd", "refused", "web", "flash", "path"] {
            try daemon.waitForLines(name) { $0.contains { $0.type == "camera_offline" } }
        }
        var shown = ["cameras", "metrics", "healthz", ""].map { daemon.get($0) ?? "" }
        let processes = try Hcqd.run("/bin/ps", ["axww", "-o", "args"], in: folder).text.split(separator: "\n")
        shown.append(processes.filter { $0.contains("curl") || $0.contains(Hcqd.binary.path) }.joined(separator: "\n"))
        daemon.signal(SIGHUP)
        #expect(holds(within: 20) { daemon.journal.contains("configuration read again") })
        #expect(daemon.stop().status == 0)
        shown.append(daemon.journal)
        for log in try FileManager.default.contentsOfDirectory(atPath: folder.path("events"))
        where log.hasSuffix(".jsonl") {
            shown.append(String(decoding: try folder.data("events/" + log), as: UTF8.self))
        }
        for text in shown { #expect(!text.contains("hush"), "\(text.suffix(3000))") }
        #expect(daemon.journal.contains("***@127.0.0.1"))
        #expect(daemon.journal.contains("rtmp://***@127.0.0.1:9/live/***?key=***"))
    }

    @Test func commandsShowNoneEither() throws {
        try """
        cameras:
          door: {url: "rtsp://hush:hush@127.0.0.1:9/"}
          gate: {url: "rtps://hush:hush@127.0.0.1:9/"}
          yard: {url: "rtsp:///hush@/cam"}
          shed: {url: "hush:hush@127.0.0.1/cam"}
        hooks: {webhook: "ftp://hush:hush@127.0.0.1/"}
        """.write(toFile: folder.path("c.yaml"), atomically: true, encoding: .utf8)
        let checked = try Hcqd.run("check", "c.yaml", in: folder)
        #expect(checked.status == 78)
        #expect(checked.errors.contains("did you mean 'rtsp://'?"))
        #expect(!checked.errors.contains("hush"), "\(checked.errors)")
        for url in ["rtsp", "rtmp", "http", "https", "srt", "gopher"].map({
            "\($0)://hush:hush@127.0.0.1:9/x\($0 == "rtmp" ? "/hush" : "")?token=hush"
        }) {
            let probed = try Hcqd.run("probe", url, in: folder)
            #expect(probed.status == 1)
            #expect(
                probed.errors.contains("***") && !(probed.errors + probed.text).contains("hush"), "\(probed.errors)")
        }
        let seen = try Hcqd.run(
            "probe", signedIn("ann", "${DOOR}", asks: Self.escaped("hush/environment@%")), "--seconds", "0.5",
            environment: environment, in: folder)
        #expect(seen.status == 0)
        #expect(!(seen.errors + seen.text).contains("hush"), "\(seen.text)")
        let unset = try Hcqd.run("probe", "rtsp://${UNSET}@127.0.0.1:9/", in: folder)
        #expect(unset.status == 1 && unset.errors.contains("set the environment variable UNSET"), "\(unset.errors)")
    }
}
