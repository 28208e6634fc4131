import Foundation
import TestTools
import Testing

/// Events through everything: a clip in which it is known what people do, decoded, sent through the shipped network, tracked
/// and told.
@Suite struct MadeClipTests {
    private struct Line: Decodable {
        let type: String
        let pts: Double
        let id: String?
        let zone: String?
        let line: String?
        let direction: String?
        let posture: String?
        let count: Int?

        /// What happened, without who.
        var text: String {
            [type, zone ?? line, direction ?? posture ?? count.map { "\($0)" }].compactMap { $0 }.joined(separator: " ")
        }
    }

    private static let configuration = """
        cameras:
          street:
            url: made.mp4
            events:
              zones:
                - {name: corner, polygon: [[0.65, 0.6], [0.98, 0.6], [0.98, 1.0], [0.65, 1.0]], loitering_after_s: 3}
              lines:
                - {name: middle, a: [0.5, 1], b: [0.5, 0]}
        """

    /// A comes in at 1 s, passes the middle at 5 s, the corner from 6.2 s on, and goes out at 9 s. B stands in the corner
    /// from 2 s to 6 s; whom nobody sees any more is over after some 3 s.
    private static let expected: [(text: String, from: Double, to: Double)] = [
        ("zone_entered corner", 2, 3), ("occupancy corner 1", 2, 3), ("loitering corner", 5, 6),
        ("line_crossed middle right", 5, 6), ("zone_entered corner", 6, 7), ("zone_left corner", 8.5, 9.9),
        ("zone_left corner", 8.5, 9.9), ("occupancy corner 0", 8.5, 9.9),
    ]

    @Test func whatHappensIsToldAndNothingElse() throws {
        let environment = ProcessInfo.processInfo.environment
        let data = URL(fileURLWithPath: environment["HCQD_DATA"] ?? "../shared/data", relativeTo: Hcqd.project).path
        guard let python = environment["HCQD_PYTHON"],
            ["train/ccp-train-00.tar", "clips/road-no-people.avi"].allSatisfy({
                FileManager.default.fileExists(atPath: "\(data)/\($0)")
            })
        else {
            print(
                "left out: no event is expected through the network, because HCQD_PYTHON or the data in \(data) is missing"
            )
            return
        }
        let folder = try Scratch()
        let tool = Hcqd.project.appendingPathComponent("Tests/Tools/made_clip.py").path
        let made = try Hcqd.run(python, [tool, data, folder.path("made.mp4")], in: folder)
        try #require(made.status == 0, "\(made.errors)")
        try Self.configuration.write(toFile: folder.path("c.yaml"), atomically: true, encoding: .utf8)
        let outcome = try Hcqd.run(
            "--replay", "made.mp4", "--config", "c.yaml", "--camera", "street", "--output", "a", in: folder)
        try #require(outcome.status == 0, "\(outcome.errors)")
        let lines = try folder.data("a/street.jsonl").split(separator: 0x0a).map {
            try JSONDecoder().decode(Line.self, from: Data($0))
        }
        #expect(lines.count { $0.type == "start" } == 2, "two people: \(lines.map(\.text))")
        #expect(lines.count { $0.type == "end" } == 2)
        var rest = lines.filter {
            !["start", "update", "end", "occupancy"].contains($0.type) || $0.text.contains("corner")
        }
        .filter { $0.type != "posture" || $0.posture != "upright" }
        rest.removeAll { $0.text == "occupancy corner 2" }  // whether B is still followed when A comes in is no matter
        rest.removeAll { $0.text == "occupancy corner 1" && $0.pts > 3.5 }
        for event in Self.expected {
            let found = rest.firstIndex { $0.text == event.text && (event.from...event.to).contains($0.pts) }
            #expect(
                found != nil,
                "missing: \(event.text) at \(event.from)...\(event.to) s in \(lines.map { "\($0.text) \($0.pts)" })")
            if let found { rest.remove(at: found) }
        }
        #expect(rest.isEmpty, "not expected: \(rest.map { "\($0.text) \($0.pts)" })")
    }
}
