import Foundation
import TestTools
import Testing

/// `hcqd eval coco` from pictures on disk to figures and results.
@Suite struct EvaluationOfPicturesTests {
    let folder: Scratch

    init() throws {
        folder = try Scratch()
        _ = try Hcqd.model(in: folder)
        try FileManager.default.createDirectory(atPath: folder.path("images"), withIntermediateDirectories: true)
    }

    private func evaluate(_ images: String, _ results: [String] = ["--results", "found.json"]) throws -> Program.Outcome
    {
        let truth = """
            {"images": [\(images)], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 40, 80]}],
             "categories": [{"id": 1, "name": "person"}]}
            """
        try truth.write(toFile: folder.path("truth.json"), atomically: true, encoding: .utf8)
        let arguments = [
            "eval", "coco", "--model", "net.safetensors", "--images", "images", "--annotations", "truth.json",
            "--threshold", "0",
        ]
        return try Hcqd.run(Hcqd.binary.path, arguments + results, in: folder)
    }

    private func image(_ id: Int, _ name: String, _ width: Int, _ height: Int) -> String {
        #"{"id": \#(id), "file_name": "\#(name)", "width": \#(width), "height": \#(height)}"#
    }

    /// A JPEG of 160x96 that is to be turned by a quarter to stand upright.
    private func makePictures() throws {
        try folder.ffmpeg("-i", Hcqd.clip, "-frames:v", "1", "-s", "160x96", "-q:v", "2", "images/plain.jpg")
        try folder.ffmpeg("-i", "images/plain.jpg", "-vf", "transpose=clock", "-q:v", "2", "images/upright.png")
        try folder.ffmpeg("-i", "images/plain.jpg", "images/stored.png")
        let plain = Array(try folder.data("images/plain.jpg"))
        let exif: [UInt8] =
            [0xff, 0xe1, 0, 34] + Array("Exif".utf8) + [0, 0] + Array("MM".utf8) + [0, 42, 0, 0, 0, 8, 0, 1]
            + [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0]
        try Data(plain[..<2] + exif + plain[2...]).write(to: URL(fileURLWithPath: folder.path("images/turned.jpg")))
    }

    @Test func theStatedSizeSaysHowAPhotographIsTurned() throws {
        try makePictures()
        let images = [
            image(1, "stored.png", 160, 96), image(2, "turned.jpg", 160, 96), image(3, "upright.png", 96, 160),
            image(4, "turned.jpg", 96, 160),
        ]
        let outcome = try evaluate(images.joined(separator: ","))
        #expect(outcome.status == 0, "\(outcome.errors)")
        let results = try #require(
            try JSONSerialization.jsonObject(with: folder.data("found.json")) as? [[String: Any]])
        var best: [Int: Double] = [:]
        for result in results {
            let (id, score) = (result["image_id"] as? Int ?? 0, result["score"] as? Double ?? 0)
            best[id] = max(best[id] ?? 0, score)
        }
        #expect(best.count == 4)
        let scores = (1...4).map { best[$0] ?? -1 }
        #expect(abs(scores[0] - scores[1]) < 0.02 && abs(scores[2] - scores[3]) < 0.02, "\(scores)")
    }

    @Test func resultsHoldEverythingWhateverTheAnnotationsCanJudge() throws {
        try makePictures()
        #expect(try evaluate(image(1, folder.path("images/stored.png"), 160, 96)).status == 0)
        var counts: Set<Int> = []
        for name in ["found.json", "found.segm.json", "found.keypoints.json"] {
            let results = try #require(
                try JSONSerialization.jsonObject(with: folder.data(name)) as? [[String: Any]])
            for result in results {
                #expect((result["keypoints"] as? [Double])?.count == 51)
                #expect((result["segmentation"] as? [String: Any])?["size"] as? [Int] == [96, 160])
            }
            counts.insert(results.count)
        }
        #expect(counts.count == 1 && counts != [0])
    }

    @Test func nothingFoundIsJudgedOfEveryKind() throws {
        let person =
            #"{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 40, 80], "segmentation": [[5, 5, 45, 5, 45, 85]],"#
            + #""keypoints": \#([Int](repeating: 2, count: 51))}"#
        try #"{"images": [\#(image(1, "a.jpg", 90, 90))], "annotations": [\#(person)]}"#
            .write(toFile: folder.path("truth.json"), atomically: true, encoding: .utf8)
        try "[]".write(toFile: folder.path("none.json"), atomically: true, encoding: .utf8)
        try "a.jpg\ngone.jpg\n".write(toFile: folder.path("only.txt"), atomically: true, encoding: .utf8)
        let outcome = try Hcqd.run(
            "eval", "coco", "--detections", "none.json", "--annotations", "truth.json", "--json", "--only", "only.txt",
            in: folder)
        #expect(outcome.errors.contains("1 of 2 lines name no picture of truth.json, such as 'gone.jpg'"))
        let figures = try JSONDecoder().decode([String: [String: Double]].self, from: Data(outcome.text.utf8))
        #expect(figures.keys.sorted() == ["bbox", "keypoints", "segm"])
        #expect(figures.values.allSatisfy { $0["AP"] == 0 })
    }

    @Test func whatIsWrongIsToldBeforeTheWork() throws {
        try makePictures()
        let sound = image(1, "stored.png", 160, 96)
        for (images, results, says) in [
            (
                sound + "," + image(2, "gone.jpg", 9, 9), ["--results", "found.json"],
                "images/gone.jpg: there is no such picture (image 2); 1 of 2"
            ),
            (
                #"{"id": 1, "width": 160, "height": 96}"#, ["--results", "found.json"],
                "there is no such picture (image 1)"
            ),
            (
                image(1, "stored.png", 160, 97), ["--results", "found.json"],
                "is 160x96 pixels, the annotations say 160x97"
            ),
            (sound, ["--results", "nowhere/found.json"], "nowhere/found.json: cannot be written"),
        ] {
            let outcome = try evaluate(images, results)
            #expect(outcome.status == 1 && outcome.errors.contains(says), "\(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1)
        }
    }
}
