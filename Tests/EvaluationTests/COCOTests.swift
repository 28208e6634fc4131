import Evaluation
import Foundation
import Scene
import Testing

@Suite struct COCOTests {
    /// Figures of results against truth, both given as JSON.
    private func figures(
        _ truth: String, _ results: String, _ task: COCOTask, withoutSmall: Bool = false
    ) throws -> [String: Double] {
        var figures: [(name: String, value: Double)] = []
        try Reference.withFolder { folder in
            try truth.write(toFile: folder + "/truth.json", atomically: true, encoding: .utf8)
            try results.write(toFile: folder + "/results.json", atomically: true, encoding: .utf8)
            figures = try evaluated(folder, task, withoutSmall: withoutSmall)
        }
        return Dictionary(uniqueKeysWithValues: figures.map { ($0.name, $0.value) })
    }

    private func evaluated(
        _ folder: String, _ task: COCOTask, withoutSmall: Bool, results name: String = "results.json"
    ) throws -> [(name: String, value: Double)] {
        let results = folder + "/" + name
        return try COCOEvaluation(
            COCODataset(contentsOf: folder + "/truth.json"), results: COCOResult.read(results), resultsPath: results,
            task: task, withoutSmall: withoutSmall
        ).figures
    }

    private func truth(_ annotations: String) -> String {
        """
        {"images": [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 100}], "annotations": [\(annotations)],
         "categories": [{"id": 1, "name": "person"}]}
        """
    }

    private func box(_ id: Int, _ box: String, crowd: Int = 0, area: Int = 400) -> String {
        "{\"id\": \(id), \"image_id\": 7, \"category_id\": 1, \"bbox\": \(box), \"area\": \(area), \"iscrowd\": \(crowd)}"
    }

    private func result(_ box: String, _ score: Double) -> String {
        "{\"image_id\": 7, \"category_id\": 1, \"bbox\": \(box), \"score\": \(score)}"
    }

    @Test func aPerfectBoxIsWorthOne() throws {
        let f = try figures(truth(box(1, "[10, 10, 20, 20]")), "[\(result("[10, 10, 20, 20]", 0.9))]", .bbox)
        #expect(abs(f["AP"]! - 1) < 1e-9 && f["AR100"] == 1 && f["APsmall"]! > 0.99)
        #expect(f["APmedium"] == -1 && f["APlarge"] == -1)
    }

    @Test func aFalseBoxAboveTheTrueOneHalvesPrecision() throws {
        let results = "[\(result("[60, 60, 20, 20]", 0.9)), \(result("[10, 10, 20, 20]", 0.8))]"
        let f = try figures(truth(box(1, "[10, 10, 20, 20]")), results, .bbox)
        #expect(abs(f["AP"]! - 0.5) < 1e-9 && f["AR1"] == 0 && f["AR10"] == 1)
    }

    @Test func boxesInACrowdAreNeitherRightNorWrong() throws {
        let people = [box(1, "[10, 10, 20, 20]"), box(2, "[50, 50, 50, 50]", crowd: 1)].joined(separator: ",")
        let results = [
            result("[60, 60, 20, 20]", 0.9), result("[70, 70, 20, 20]", 0.95), result("[10, 10, 20, 20]", 0.8),
        ]
        let f = try figures(truth(people), "[\(results.joined(separator: ","))]", .bbox)
        #expect(abs(f["AP"]! - 1) < 1e-9)
    }

    @Test func smallPeopleAreLeftOutOnRequest() throws {
        let people = [box(1, "[10, 10, 20, 20]"), box(2, "[40, 40, 40, 40]", area: 1600)].joined(separator: ",")
        let results = "[\(result("[40, 40, 40, 40]", 0.8))]"
        #expect(try abs(figures(truth(people), results, .bbox)["AR100"]! - 0.5) < 1e-9)
        #expect(try abs(figures(truth(people), results, .bbox, withoutSmall: true)["AR100"]! - 1) < 1e-9)
    }

    @Test func emptyResultsAndEmptyTruth() throws {
        #expect(try figures(truth(box(1, "[1, 1, 9, 9]")), "[]", .bbox)["AP"] == 0)
        #expect(try figures(truth(""), "[\(result("[1, 1, 9, 9]", 0.5))]", .bbox)["AP"] == -1)
    }

    @Test func namesWhatIsWrong() throws {
        #expect(throws: EvaluationError.self) { try figures("{", "[]", .bbox) }
        let elsewhere = "[{\"image_id\": 8, \"category_id\": 1, \"bbox\": [1, 1, 2, 2], \"score\": 1}]"
        do {
            _ = try figures(truth(""), elsewhere, .bbox)
            Issue.record("an unknown picture was accepted")
        } catch let error as EvaluationError {
            guard case .unknownImage(_, 8) = error else { throw error }
        }
    }

    @Test func otherCategoriesMayHaveAnyNumberOfJoints() throws {
        let dog =
            "{\"id\": 9, \"image_id\": 7, \"category_id\": 18, \"bbox\": [1, 1, 5, 5, 0], \"keypoints\": [1, 1, 2]}"
        let both = truth(box(1, "[10, 10, 20, 20]") + "," + dog)
        let results = "[\(result("[10, 10, 20, 20]", 0.9))]"
        #expect(try abs(figures(both, results, .bbox)["AP"]! - 1) < 1e-9)
        do {
            _ = try figures(both.replacing("\"category_id\": 18", with: "\"category_id\": 1"), results, .bbox)
            Issue.record("a person of one joint was accepted")
        } catch EvaluationError.badJSON(_, let found) {
            #expect(found == "annotations[1].bbox is not [x, y, width, height]")
        }
    }

    @Test func aPictureThatStandsTwiceCountsOnce() throws {
        let image = "{\"id\": 7, \"file_name\": \"a.jpg\", \"width\": 100, \"height\": 100}"
        let results = "[\(result("[10, 10, 20, 20]", 0.9)), \(result("[60, 60, 20, 20]", 0.95))]"
        let once = truth(box(1, "[10, 10, 20, 20]"))
        let twice = once.replacing(image, with: image + "," + image)
        #expect(twice != once)
        #expect(try figures(twice, results, .bbox) == figures(once, results, .bbox))
    }

    @Test func boxesAreJudgedWhereEverybodyHasOne() throws {
        let boxless = truth(box(1, "[10, 10, 20, 20]") + ", {\"id\": 2, \"image_id\": 7, \"category_id\": 1}")
        try Reference.withFolder { folder in
            try boxless.write(toFile: folder + "/truth.json", atomically: true, encoding: .utf8)
            #expect(try COCODataset(contentsOf: folder + "/truth.json").tasks == [])
        }
        do {
            _ = try figures(boxless, "[\(result("[10, 10, 20, 20]", 0.9))]", .bbox)
            Issue.record("a person without a box was judged")
        } catch EvaluationError.badJSON(_, let found) { #expect(found == "annotation 2 has no bbox") }
    }

    @Test(arguments: [
        ("{", "is not JSON"), ("", "is not JSON"), ("[]", "the file is not an object"),
        (#"{"images": 3, "annotations": []}"#, "images is not a list"),
        (
            #"{"images": [], "annotations": [{"id": 1, "image_id": 7, "bbox": "x"}]}"#,
            "annotations[0].bbox is not a list"
        ),
    ])
    func whatIsNoCOCOFileIsToldInWordsOfJSON(text: String, reason: String) throws {
        do {
            _ = try figures(text, "[]", .bbox)
            Issue.record("\(text) was accepted")
        } catch EvaluationError.badJSON(_, let found) { #expect(found == reason) }
    }

    @Test func crowdsMayBeTrueOrFalse() throws {
        let crowd = box(2, "[50, 50, 50, 50]", crowd: 1).replacing("\"iscrowd\": 1", with: "\"iscrowd\": true")
        let person = box(1, "[10, 10, 20, 20]").replacing("\"iscrowd\": 0", with: "\"iscrowd\": false")
        let results = "[\(result("[60, 60, 20, 20]", 0.9)), \(result("[10, 10, 20, 20]", 0.8))]"
        #expect(try abs(figures(truth(person + "," + crowd), results, .bbox)["AP"]! - 1) < 1e-9)
    }

    /// In pycocotools the box of a pose goes around all joints, also those that were hardly seen.
    @Test func boxesOfJointsGoAroundAllOfThem() throws {
        let joints = [10, 10, 0.01, 30, 30] + [Double](repeating: 20, count: 46)
        let results = "[{\"image_id\": 7, \"category_id\": 1, \"keypoints\": \(joints), \"score\": 0.5}]"
        #expect(try abs(figures(truth(box(1, "[10, 10, 20, 20]")), results, .bbox)["AP"]! - 1) < 1e-9)
    }

    @Test(arguments: [
        ("\"width\": 100", "\"width\": 100.5", "images[0].width is not a whole number of 64 bits"),
        ("\"id\": 7", "\"id\": 9223372036854775808", "images[0].id is not a whole number of 64 bits"),
        ("\"image_id\": 7", "\"image_id\": 7.5", "annotations[0].image_id is not a whole number of 64 bits"),
        ("\"area\": 400", "\"area\": 1e999", "annotations[0].area is not a number"),
        ("\"iscrowd\": 0", "\"iscrowd\": \"no\"", "annotations[0].iscrowd is not a whole number of 64 bits"),
    ])
    func numbersThatDoNotFitAreToldByKey(sound: String, bad: String, reason: String) throws {
        let text = truth(box(1, "[10, 10, 20, 20]")).replacing(sound, with: bad)
        do {
            _ = try figures(text, "[]", .bbox)
            Issue.record("\(bad) was accepted")
        } catch EvaluationError.badJSON(_, let found) { #expect(found == reason) }
    }

    @Test func resultsThatDoNotFitAreToldByKey() throws {
        do {
            _ = try figures(truth(""), "[\(result("[1, 1, 9, 9]", 0.5).replacing("7", with: "7.5"))]", .bbox)
            Issue.record("a fraction of an id was accepted")
        } catch EvaluationError.badJSON(_, let found) {
            #expect(found == "[0].image_id is not a whole number of 64 bits")
        }
    }

    // pycocotools 2.0.11: encode of the polygon at 10 x 10.
    @Test func drawsPolygonsAsPycocotools() {
        let size = PixelSize(width: 10, height: 10)
        let triangle = Mask(polygons: [[1, 1, 8, 1, 1, 8]], size: size)
        #expect(triangle.counts == ";64O1O1O1O1On0")
        let outside = Mask(polygons: [[-4.5, 2.2, 15.1, 3.7, 4.4, 12.9]], size: size)
        #expect(outside.counts == "3551O1O0000000000O10M")
        #expect(Mask(polygons: [[3, 3, 3, 3, 3, 3]], size: size).isEmpty)
        #expect(Mask(polygons: [], size: size).isEmpty)
    }

    @Test(.enabled(if: Reference.python != nil, "left out: needs HCQD_PYTHON with pycocotools"))
    func matchesPycocotoolsOnRandomCases() throws {
        try Reference.withFolder { folder in
            let cases = try #require(
                Reference.run("coco_figures.py", ["cases", "20", folder]) as? [[String: [[Double]]]])
            #expect(cases.count == 20)
            for (seed, expected) in cases.enumerated() {
                let judged =
                    COCOTask.allCases.map { ($0.rawValue, $0, "results.json") } + [("joints", .bbox, "joints.json")]
                for (name, task, results) in judged {
                    for (withoutSmall, values) in zip([false, true], try #require(expected[name])) {
                        let figures = try evaluated(
                            "\(folder)/\(seed)", task, withoutSmall: withoutSmall, results: results)
                        #expect(figures.count == values.count)
                        for (figure, value) in zip(figures, values) {
                            #expect(abs(figure.value - value) < 1e-6, "case \(seed) \(name) \(figure.name)")
                        }
                    }
                }
            }
        }
    }

    @Test func everyKindIsRankedByItsOwnScore() {
        let joints = (0..<17).map { Keypoint(position: Point(x: 0.5, y: 0.5), confidence: $0 < 8 ? 1 : 0.15) }
        let person = Person(
            box: Box(x0: 0.1, y0: 0.1, x1: 0.4, y1: 0.9), score: 0.8, maskScore: 0.6, keypoints: joints)
        let size = PixelSize(width: 64, height: 48)
        let scores = COCOTask.allCases.map { COCOResult(person, image: 1, size: size, scoredAs: $0).score }
        // 0.8 x (8 x 1 + 9 x 0.15) / 17 for the joints.
        #expect(zip(scores, [0.8, 0.6, 0.44]).allSatisfy { abs($0 - $1) < 1e-6 })
    }
}
