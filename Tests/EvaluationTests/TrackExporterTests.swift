import Evaluation
import Foundation
import Scene
import Testing

@Suite struct TrackExporterTests {
    private let size = PixelSize(width: 64, height: 48)

    /// Two people whose masks overlap; the second stands nearer.
    private func tracks(frame: Int) -> [Track] {
        [(UInt64(3), 5 + frame, 4), (UInt64(4), 14, 12)].map { id, left, top in
            let bitmap = (0..<48 * 64).map { index -> UInt8 in
                let (x, y) = (index % 64, index / 64)
                return (left..<left + 12).contains(x) && (top..<top + 30).contains(y) ? 1 : 0
            }
            let box = Box(
                x0: Float(left) / 64, y0: Float(top) / 48, x1: Float(left + 12) / 64, y1: Float(top + 30) / 48)
            let joints = Joint.allCases.map {
                Keypoint(position: Point(x: box.x0 + Float($0.rawValue) / 170, y: box.center.y), confidence: 0.5)
            }
            let time = StreamTime(microseconds: 0, utcMicroseconds: 0)
            return Track(
                id: TrackID(camera: CameraID("c"), ordinal: id), state: .seen,
                person: Person(
                    box: box, score: 0.75, keypoints: joints, mask: Mask(size: size, bitmap: bitmap)),
                firstSeen: time, lastSeen: time)
        }
    }

    private func text(_ format: ExportFormat, frames: Int) -> String {
        var exporter = TrackExporter(format: format)
        var text = ""
        for frame in 1...frames { text += exporter.text(for: tracks(frame: frame), frame: frame, size: size) }
        return text + exporter.ending
    }

    @Test func writesMOTLines() {
        #expect(text(.mot, frames: 1) == "1,3,6,4,12,30,0.75,-1,-1,-1\n1,4,14,12,12,30,0.75,-1,-1,-1\n")
    }

    @Test func leavesOutWhoWasNotFound() {
        var missed = tracks(frame: 1)
        missed[0].state = .missed
        missed[1].state = .ended(.left)
        for format in ExportFormat.allCases {
            var exporter = TrackExporter(format: format)
            #expect(exporter.text(for: missed, frame: 1, size: size).isEmpty)
            #expect(exporter.ending == (format == .coco ? "[]\n" : ""))
        }
    }

    @Test func masksOfMOTSDoNotOverlap() throws {
        let lines = text(.mots, frames: 1).split(separator: "\n").map { $0.split(separator: " ") }
        #expect(lines.map { $0.prefix(5).joined(separator: " ") } == ["1 2003 2 48 64", "1 2004 2 48 64"])
        let masks = try lines.map { try #require(Mask(size: size, counts: String($0[5]))) }
        #expect(masks[0].intersection(masks[1]) == 0)
        // The nearer person keeps everything.
        #expect(masks[1].area == 12 * 30 && masks[0].area == 12 * 30 - 4 * 22)
    }

    @Test(.enabled(if: Reference.python != nil, "left out: needs HCQD_PYTHON with trackeval"))
    func trackEvalReadsMOTS() throws {
        try Reference.withFolder { folder in
            let file = folder + "/tracks.txt"
            try text(.mots, frames: 5).write(toFile: file, atomically: true, encoding: .utf8)
            let figures = try #require(Reference.run("mots_figures.py", [file, "5"]) as? [String: Double])
            #expect(abs(try #require(figures["HOTA"]) - 1) < 1e-9)
            #expect(figures["detections"] == 10 && figures["ids"] == 2)
        }
    }

    @Test(.enabled(if: Reference.python != nil, "left out: needs HCQD_PYTHON with trackeval"))
    func trackEvalReadsMOT() throws {
        try Reference.withFolder { folder in
            let (file, truth) = (folder + "/tracks.txt", folder + "/truth.txt")
            let lines = text(.mot, frames: 5)
            try lines.write(toFile: file, atomically: true, encoding: .utf8)
            // In truth a confidence below 1 says that a box does not count.
            try lines.replacing(",0.75,", with: ",1,").write(toFile: truth, atomically: true, encoding: .utf8)
            let figures = try #require(
                Reference.run("trackeval_figures.py", ["mot15", "s", truth, file, "5"]) as? [String: [String: Double]])
            #expect(figures["s"]?["MOTA"] == 1 && figures["s"]?["TP"] == 10)
        }
    }

    @Test(
        .enabled(if: Reference.python != nil, "left out: needs HCQD_PYTHON with pycocotools"),
        arguments: COCOTask.allCases)
    func pycocotoolsReadsCOCO(task: COCOTask) throws {
        try Reference.withFolder { folder in
            let results = text(.coco, frames: 5)
            try results.write(toFile: folder + "/results.json", atomically: true, encoding: .utf8)
            // The same people as truth.
            var people = try #require(
                JSONSerialization.jsonObject(with: Data(results.utf8)) as? [[String: Any]])
            for index in people.indices {
                people[index].merge(
                    ["id": index + 1, "area": 360, "iscrowd": 0, "num_keypoints": 17] as [String: Any]
                ) { $1 }
            }
            let images = (1...5).map { ["id": $0, "width": 64, "height": 48] }
            let truth: [String: Any] = [
                "images": images, "annotations": people, "categories": [["id": 1, "name": "person"]],
            ]
            try JSONSerialization.data(withJSONObject: truth).write(to: URL(filePath: folder + "/truth.json"))
            let figures = try #require(
                Reference.run(
                    "coco_figures.py", ["judge", folder + "/truth.json", folder + "/results.json", task.rawValue])
                    as? [Double])
            #expect(abs(figures[0] - 1) < 1e-9)
        }
    }
}
