import Evaluation
import Foundation
import Scene
import Testing

@Suite struct FramePeopleTests {
    private let size = PixelSize(width: 64, height: 48)

    private func frame(_ number: Int) -> FramePeople {
        let bitmap = (0..<48 * 64).map { UInt8($0 % 64 > 10 && $0 % 64 < 30 + number && $0 / 64 > 4 ? 1 : 0) }
        let joints = Joint.allCases.map {
            Keypoint(position: Point(x: Float($0.rawValue) / 17, y: 0.1 * Float(number)), confidence: 1 / 3)
        }
        let whole = Person(
            box: Box(x0: 0.1, y0: -0.02, x1: 1.0 / 3, y1: 0.7), score: 0.9, maskScore: 0.8, keypoints: joints,
            mask: Mask(size: size, bitmap: bitmap), embedding: [0.25, -1e-7, 3.4e5])
        return FramePeople(
            frame: number, time: StreamTime(microseconds: Int64(number) * 40_000, utcMicroseconds: 7), size: size,
            people: [whole, Person(box: Box(x0: 0, y0: 0, x1: 1, y1: 1), score: 0.3)])
    }

    private func file(_ text: String, _ body: (String) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("people-\(UUID()).jsonl").path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test func comesBackToTheLastBit() throws {
        let frames = [frame(1), frame(3)]
        try file(frames.map { try $0.line() }.joined()) { path in
            let read = try FramePeople.read(path)
            #expect(read.map(\.frame) == [1, 3] && read.map(\.time) == frames.map(\.time))
            for (found, expected) in zip(read, frames) {
                #expect(found.size == size && found.people.count == 2)
                for (a, b) in zip(found.people, expected.people) {
                    #expect(a.box == b.box && a.score == b.score && a.maskScore == b.maskScore)
                    #expect(a.keypoints == b.keypoints && a.mask == b.mask && a.embedding == b.embedding)
                }
            }
        }
    }

    @Test(arguments: [
        "{}", "not JSON", #"{"frame":0,"pts_us":0,"utc_us":0,"size":[4,4],"people":[]}"#,
        #"{"frame":9,"pts_us":0,"utc_us":0,"size":[4],"people":[]}"#,
        #"{"frame":9,"pts_us":50000,"utc_us":0,"size":[4,9223372036854775807],"people":[]}"#,
        #"{"frame":9,"pts_us":-5,"utc_us":0,"size":[4,4],"people":[]}"#,
        #"{"frame":9,"pts_us":9223372036854775807,"utc_us":0,"size":[4,4],"people":[]}"#,
        #"{"frame":9,"pts_us":50000,"utc_us":-9223372036854775808,"size":[4,4],"people":[]}"#,
        #"{"frame":1,"pts_us":40000,"utc_us":0,"size":[4,4],"people":[]}"#,
        #"{"frame":9,"pts_us":50000,"utc_us":0,"size":[4,4],"people":[{"box":[0,0,1],"score":1}]}"#,
        #"{"frame":9,"pts_us":50000,"utc_us":0,"size":[4,4],"people":[{"box":[0,0,1,1],"score":1,"keypoints":[1]}]}"#,
        ##"{"frame":9,"pts_us":50000,"utc_us":0,"size":[4,4],"people":[{"box":[0,0,1,1],"score":1,"mask":{"size":[4,4],"counts":"#"}}]}"##,
    ])
    func namesTheLineThatIsWrong(line: String) throws {
        try file(frame(1).line() + "\n" + line + "\n") { path in
            #expect(
                throws: EvaluationError.badLine(path: path, line: 3, expected: "the people of a later frame in JSON")
            ) { try FramePeople.read(path) }
        }
    }
}
