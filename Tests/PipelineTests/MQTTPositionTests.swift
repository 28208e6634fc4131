import Foundation
import Testing

@testable import Pipeline

@Suite struct MQTTTopicsTests {
    @Test func namesThatDifferStayDifferentForHomeAssistant() {
        let topics = ["Tür", "T_r", "Tor", "Flur 1", "Flur_1", "front_door"].map {
            MQTTTopics(prefix: "p").discovery(of: $0, zones: [])[0].topic
        }
        #expect(Set(topics).count == topics.count)
        #expect(topics.allSatisfy { $0.utf8.allSatisfy { $0 < 128 && $0 != 0x20 } })
    }

    @Test func whatIsRetainedIsKnownSoThatItCanBeTakenBack() {
        let topics = MQTTTopics(prefix: "p")
        let all = Set(
            topics.retained(of: [.init(name: "door", zones: ["a/b"]), .init(name: "yard", zones: [])], discovers: true))
        #expect(
            all.isSuperset(of: ["p/available", "p/door/person", "p/door/status", "p/door/a_b/person", "p/yard/status"]))
        #expect(all.contains { $0.hasPrefix("homeassistant/sensor/hcqd_door/people_a_b_") && $0.hasSuffix("/config") })
        #expect(all.count == 11)
        let silent = topics.retained(of: [.init(name: "yard", zones: [])], discovers: false)
        #expect(silent == ["p/available", "p/yard/person", "p/yard/status"])
    }
}

@Suite struct MQTTPositionTests {
    @Test func movesOverWhatIsAcknowledgedInAnyOrder() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("hcqd-pos-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        var position = MQTTPosition(path: path, start: 5)
        position.acknowledge(6, wasExpected: [5, 7])
        #expect(position.next == 5)
        position.acknowledge(5, wasExpected: [7])
        #expect(position.next == 7)
        // 8 is a hole in the log: it was never sent.
        position.acknowledge(9, wasExpected: [7])
        #expect(position.next == 7)
        position.acknowledge(7, wasExpected: [])
        #expect(position.next == 10)
        try position.save()
        #expect(MQTTPosition(path: path, start: 1).next == 10)
    }
}
