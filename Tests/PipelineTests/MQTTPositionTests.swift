import Foundation
import Testing

@testable import Pipeline

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
