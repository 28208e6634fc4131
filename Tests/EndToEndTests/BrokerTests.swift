import Foundation
import TestTools
import Testing

/// What a broker retains.
@Suite(.serialized) struct BrokerTests {
    /// As a restart without persistence leaves it.
    @Test func aBrokerThatForgotEverythingIsToldEverythingAgain() throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/sbin/mosquitto") else {
            print("left out: MQTT is not tested, because Debian's mosquitto is not installed")
            return
        }
        let folder = try Scratch()
        _ = try Hcqd.model(in: folder)
        let camera = try StreetCamera(in: folder)
        let broker = try Broker(in: folder)
        try broker.start()
        let zone = "zones: [{name: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}]"
        let daemon = try LiveDaemon(
            cameras: """
                  door: {url: "\(camera.address)cam", events: {\(zone)}}
                  away: {url: "rtsp://127.0.0.1:9/"}
                """, in: folder, more: "mqtt: {enabled: true, port: \(broker.port)}")
        try daemon.waitForLines("door") { $0.contains { $0.type == "start" } }
        try daemon.waitForLines("away") { $0.contains { $0.type == "camera_offline" } }
        let states = [
            "hcqd/available online", "hcqd/door/status online", "hcqd/away/status offline", "hcqd/away/person 0",
        ]
        #expect(holds(within: 30) { states.allSatisfy(retained(by: broker, folder).contains) })
        broker.stop()
        try FileManager.default.removeItem(atPath: folder.path("mosquitto.db"))
        try broker.start()
        var found = ""
        let isTold = holds(within: 60) {
            found = retained(by: broker, folder)
            return states.allSatisfy(found.contains)
        }
        #expect(isTold, "\(found) \(daemon.journal)")
        for topic in [
            "hcqd/door/person", "hcqd/door/all/person", "homeassistant/sensor/hcqd_door/people/config",
            "homeassistant/sensor/hcqd_door/people_all/config", "homeassistant/binary_sensor/hcqd_away/online/config",
        ] {
            #expect(found.contains("\(topic) "), "\(found)")
        }
        #expect(daemon.stop().status == 0)
        #expect(holds(within: 20) { retained(by: broker, folder).contains("hcqd/available offline") })
        let left = retained(by: broker, folder)
        #expect(left.contains("hcqd/door/person 0\n") && left.contains("hcqd/door/all/person 0\n"), "\(left)")
        broker.stop()
    }

    /// Topics and what is retained in them, a line each.
    private func retained(by broker: Broker, _ folder: Scratch) -> String {
        let arguments = [
            "-p", "\(broker.port)", "-t", "hcqd/#", "-t", "homeassistant/#", "--retained-only", "-v", "-W", "1",
        ]
        return (try? Hcqd.run("/usr/bin/mosquitto_sub", arguments, in: folder))?.text ?? ""
    }
}
