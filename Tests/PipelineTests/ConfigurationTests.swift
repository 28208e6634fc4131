import Events
import Foundation
import Scene
import Testing
import TestTools
import Yams

@testable import Pipeline

private let shipped = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Config/hcqd.yaml").path

private func problems(_ yaml: String) throws -> [String] {
    do {
        _ = try ConfigurationFile.read(yaml, file: "f.yaml", defaults: Configuration())
        return []
    } catch let error as ConfigurationError {
        return error.problems.map(\.description)
    }
}

@Suite struct ConfigurationTests {
    @Test func theShippedFileSaysTheDefaults() throws {
        var configuration = try Configuration(contentsOf: shipped)
        var camera = CameraSettings()
        camera.url = "rtsp://${CAMERA_USER}:${CAMERA_PASSWORD}@192.0.2.10/stream1"
        #expect(configuration.cameras == ["front_door": camera])
        configuration.cameras = [:]
        #expect(configuration == Configuration())
    }

    /// Every key that any settings type asks for stands in the file, and so do those of its commented examples.
    @Test func theShippedFileHasEveryKey() throws {
        let text = try String(contentsOfFile: shipped, encoding: .utf8)
        let shown = text.split(separator: "\n").filter { !["      zones: []", "      lines: []"].contains($0) }
            .map { $0.hasPrefix("      # ") ? "      " + $0.dropFirst(8) : String($0) }.joined(separator: "\n")
        let root = try #require(try Yams.compose(yaml: shown))
        let reader = SettingsReader(file: shipped)
        _ = try reader.read(
            Configuration.self, node: root, fallback: try SettingsReader.tree(Configuration()), path: [], near: root)
        #expect(reader.problems == [])
        #expect(reader.askedPaths.contains("cameras.front_door.events.zones.0.loitering_after_s"))
        for path in reader.askedPaths.sorted() {
            var node: Node? = root
            for key in path.split(separator: ".").map(String.init) {
                node = node?.sequence.flatMap { list in Int(key).map { list[$0] } } ?? node?[key]
            }
            #expect(node != nil, "\(path) is missing in Config/hcqd.yaml")
        }
    }

    @Test(arguments: [
        (
            "model: {input_width: 600}",
            "f.yaml:1: model.input_width: found 600; allowed: a multiple of 32 pixels, 32...4096"
        ),
        (
            "http: {enabled: true, address: 0.0.0.0}",
            "f.yaml:1: http.token: found nothing; allowed: a bearer token, because address 0.0.0.0 can be reached from other machines"
        ),
        (
            "mqtt: {host: 'mqtt://broker:1883'}",
            "f.yaml:1: mqtt.host: found 'mqtt://broker:1883'; allowed: a name or an address alone; "
                + "the port stands in mqtt.port, TLS comes with mqtt.ca_file"
        ),
        (
            "hooks: {types: [strat]}",
            "f.yaml:1: hooks.types: found 'strat'; allowed: \(EventRecord.types.joined(separator: ", "))"
                + "; did you mean 'start'?"
        ),
        ("mqtt: {port: 70000}", "f.yaml:1: mqtt.port: found 70000; allowed: 1...65535"),
        ("storage: {directory: here}", "f.yaml:1: storage.directory: found 'here'; allowed: a path that starts with /"),
        (
            "cameras: {door: {fps: 5}}",
            "f.yaml:1: cameras.door.url: found nothing; allowed: this key is required: a URL or a path"
        ),
        (
            "cameras:\n  door:\n    url: x\n    connection:\n      transport: tpc\n",
            "f.yaml:5: cameras.door.connection.transport: found 'tpc'; allowed: tcp, udp"
        ),
        (
            "cameras: {door: {url: rstp://x/y}}",
            "f.yaml:1: cameras.door.url: found 'rstp://'; allowed: rtsp://, rtsps://, rtmp://, rtmps://, http://, https://, "
                + "srt://, rtp://, udp://, tcp://, file:// or a path; did you mean 'rtsp://'?"
        ),
        (
            "cameras: {door: {url: 'rtsp:///cam'}}",
            "f.yaml:1: cameras.door.url: found 'rtsp:///cam'; allowed: rtsp://HOST/PATH: the host is missing"
        ),
        (
            "cameras:\n  door:\n    url: rtsp://ann:secret@192.0.2.10:70000/cam",
            "f.yaml:3: cameras.door.url: found 'rtsp://***@192.0.2.10:70000/cam'; allowed: rtsp://HOST:PORT/PATH with a port of 1...65535"
        ),
        (
            "cameras: {door: {url: 'http://[2001:db8::1]:99999999999999999999?x'}}",
            "f.yaml:1: cameras.door.url: found 'http://[2001:db8::1]:99999999999999999999?x'; "
                + "allowed: http://HOST:PORT/PATH with a port of 1...65535"
        ),
        (
            "cameras: {door: {url: x, connection: {read_timeout_s: -5}}}",
            "f.yaml:1: cameras.door.connection.read_timeout_s: found -5; allowed: 0.1...600 seconds"
        ),
        (
            "cameras: {door: {url: x, connection: {connect_timeout_s: 1e300}}}",
            "f.yaml:1: cameras.door.connection.connect_timeout_s: found 1e+300; allowed: 0.1...600 seconds"
        ),
        (
            "cameras:\n\tdoor: {url: x}\n",
            "f.yaml:2: this is no YAML: found character that cannot start any token; indent by spaces, not by tabs"
        ),
        (
            "cameras:\n  door\n    url: x\n",
            "f.yaml:3: this is no YAML: mapping values are not allowed in this context; "
                + "is a ':' missing before this, or are there quotes missing around a value with ': ' in it?"
        ),
        (
            "cameras:\n  door:\n    url: x\n    loitering_after_s: 3\n    read_timeout_s: 5",
            "f.yaml:4: cameras.door.loitering_after_s: found an unknown key; allowed: connection, enabled, events, fps, motion, "
                + "snapshots, url\n"
                + "f.yaml:5: cameras.door.read_timeout_s: found an unknown key; allowed: connection, enabled, events, fps, motion, "
                + "snapshots, url; did you mean 'cameras.door.connection.read_timeout_s'?"
        ),
        (
            "log: {rotate_bytes: 10, keep_bytes: 10000000000000000, keep_days: -1.5}",
            "f.yaml:1: log.rotate_bytes: 10 is out of range, allowed is 65536...1000000000000000\n"
                + "f.yaml:1: log.keep_days: -1.5 is out of range, allowed is 0.0001...1000000\n"
                + "f.yaml:1: log.keep_bytes: 10000000000000000 is out of range, allowed is 65536...1000000000000000"
        ),
        (
            "cameras: {\"a\\tb\": {url: x}}",
            "f.yaml:1: cameras.a\tb: found 'a\tb'; allowed: a name of 1...64 bytes without /, +, # and control characters"
        ),
        ("tracking: {birth_overlap: 1.1}", "f.yaml:1: tracking.birth_overlap: found 1.1; allowed: 0...1"),
        ("http: {picture_fps: 31}", "f.yaml:1: http.picture_fps: found 31; allowed: 0.1...30 per second"),
        ("hooks: {webhook: ftp://x}", "f.yaml:1: hooks.webhook: found 'ftp://x'; allowed: an http or https URL"),
    ])
    func valuesOutOfRangeAreRefused(yaml: String, expected: String) throws {
        #expect(try problems(yaml).joined(separator: "\n") == expected)
    }

    @Test func programsThatCannotBeRunAreTold() {
        var configuration = Configuration()
        configuration.hooks.command = ["/nowhere/tell.sh", "-v"]
        #expect(
            configuration.missingFiles(file: "f.yaml").map(\.description) == [
                "f.yaml: hooks.command: found '/nowhere/tell.sh', which cannot be run here; "
                    + "allowed: a program and its arguments"
            ])
        for command in ["/bin/sh", "found-in-PATH"] {
            configuration.hooks.command = [command]
            #expect(configuration.missingFiles(file: "f.yaml").isEmpty)
        }
    }

    @Test func everyMistakeIsToldAtOnceAndOnce() throws {
        let yaml = """
            modle: {path: x}
            model: {input_width: 641, people: {score_treshold: 0.5}}
            log: {rotate_bytes: 10, keep_days: soon}
            tracking: {patience: -3, weights: {box: -1}}
            rendering: {redact_hold_s: -1}
            http: {enabled: maybe, address: 0.0.0.0, port: 99999}
            cameras:
              a:
                url: 192.0.2.1/stream
                fps: -1
                events:
                  zones:
                  - {name: z, polygon: [[0, 0], [1.5, 0], [1, 1]]}
                  - {name: z, polygon: [[0, 0], [1, 1], [1, 0], [0, 1]], purpose: fun}
                  - {polygon: [[0, 0], [1, 1]]}
                  lines: [{name: l, a: [0.5, 0.5], b: [0.5]}]
              b: {ulr: rtsp://h/}
              c: rtsp://h/
            """
        let places = try problems(yaml).map { $0.split(separator: ": ").prefix(2).joined(separator: " ") }
        #expect(
            places == [
                "f.yaml:1 modle", "f.yaml:2 model.people.score_treshold", "f.yaml:2 model.input_width",
                "f.yaml:3 log.keep_days",
                "f.yaml:3 log.rotate_bytes", "f.yaml:4 tracking.patience", "f.yaml:4 tracking.weights.box",
                "f.yaml:5 rendering.redact_hold_s", "f.yaml:6 http.enabled", "f.yaml:6 http.port",
                "f.yaml:10 cameras.a.fps",
                "f.yaml:13 cameras.a.events.zones.0.polygon", "f.yaml:14 cameras.a.events.zones.1.purpose",
                "f.yaml:14 cameras.a.events.zones.1.name", "f.yaml:14 cameras.a.events.zones.1.polygon",
                "f.yaml:15 cameras.a.events.zones.2.name", "f.yaml:15 cameras.a.events.zones.2.polygon",
                "f.yaml:16 cameras.a.events.lines.0.b", "f.yaml:17 cameras.b.ulr", "f.yaml:18 cameras.c",
            ])
    }

    @Test func aFileIsReadAlsoFromAPipeAndNeverWithoutEnd() throws {
        let pipe = Pipe()
        pipe.fileHandleForWriting.write(Data("cameras: {a: {url: x}}".utf8))
        try pipe.fileHandleForWriting.close()
        let path = "/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)"
        #expect(try Configuration(contentsOf: path).cameras.count == 1)
        #expect(throws: ConfigurationError.self) { try Configuration(contentsOf: "/dev/zero") }
    }

    @Test func aZonesProblemIsToldByItsPlace() throws {
        let yaml =
            "cameras:\n  door:\n    url: x\n    events:\n      zones:\n      - {name: a, polygon: [[0, 0], [1, 1]]}\n"
        let text = try problems(yaml)
        #expect(text.count == 1)
        #expect(text.first?.hasPrefix("f.yaml:6: cameras.door.events.zones.0.polygon: ") == true)
    }

    @Test func nullSwitchesAnOptionalSettingOff() throws {
        let value = try ConfigurationFile.read("log: {rotate_hours: null}", file: "f", defaults: Configuration())
        #expect(value.log.rotateHours == nil)
        #expect(Configuration().log.rotateHours == 24)
    }

    @Test func secretsThatStandForNothingAreNamed() throws {
        var configuration = Configuration()
        configuration.cameras["door"] = CameraSettings()
        configuration.cameras["door"]?.url = "rtsp://a:${DOOR}@h/"
        configuration.mqtt.password = "${MQTT}"
        let missing = configuration.missingSecrets(Secrets(environment: ["MQTT": "x"]), file: "f.yaml")
        #expect(missing.map(\.path) == ["cameras.door.url"])
    }

    /// Mistakes by the thousand: each is read or refused, none crashes.
    @Test func noTextCrashesTheReader() throws {
        let original = Array(try String(contentsOfFile: shipped, encoding: .utf8).utf8)
        let bytes = Array("[]{}:-&*!|>'\"%@`#,\n\t 0a~\u{e9}".utf8)
        var random = SplitMix(seed: 7)
        for _ in 0..<1500 {
            var text = original
            for _ in 0..<(1 + random.next() % 8) {
                let place = Int(random.next() % UInt64(text.count))
                switch random.next() % 4 {
                case 0: text[place] = bytes[Int(random.next() % UInt64(bytes.count))]
                case 1: text.remove(at: place)
                case 2: text.insert(bytes[Int(random.next() % UInt64(bytes.count))], at: place)
                default: text.removeSubrange(place..<min(text.count, place + Int(random.next() % 200)))
                }
                if text.isEmpty { text = [0x0a] }
            }
            _ = try problems(String(decoding: text, as: UTF8.self))
        }
    }

    @Test(arguments: ["[", "- ", "a: {", "a long line without an end "])
    func endlessNestingIsRefused(piece: String) throws {
        #expect(try problems(String(repeating: piece, count: 100_000)).count == 1)
    }

    @Test func aFileThatIsNotThereIsAConfigurationError() {
        #expect(throws: ConfigurationError.self) { try Configuration(contentsOf: "/nowhere/hcqd.yaml") }
    }
}
