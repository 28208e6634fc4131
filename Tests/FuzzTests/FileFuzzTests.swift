import Foundation
import Ingest
import Testing

@testable import Evaluation
@testable import Pipeline

/// Configurations, locations and files of detections.
@Suite(.serialized) struct FileFuzzTests {
    private let folder: FuzzFolder

    init() throws { folder = try FuzzFolder() }

    private static let shipped: [UInt8] = {
        let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return (try? Array(Data(contentsOf: project.appending(path: "Config/hcqd.yaml")))) ?? []
    }()

    @Test func configurations() throws {
        try #require(!Self.shipped.isEmpty)
        // Without comments most damage lands in keys and values.
        let bare = String(decoding: Self.shipped, as: UTF8.self).split(separator: "\n").map {
            $0.prefix { $0 != "#" }
        }.filter { $0.contains { !$0.isWhitespace } }.joined(separator: "\n")
        let small =
            "cameras:\n  door: {url: \"rtsp://a\", events: {zones: [{name: yard, polygon: [[0,0],[1,0],[1,1]]}]}}\n"
        let words = [
            "model", "cameras", "log", "url", "events", "zones", "polygon", "lines", "http", "mqtt", "null", "~",
            "true", "- ", ": ",
            "\n  ", "\t", "&a", "*a", "<<: *a", "!!binary", "!!int", "|", ">", "?", "%YAML 9.9", "---", "...", "'",
            "\"", "#", "{", "[",
            "${X}", "${", ".inf", ".nan", "0o7", "\u{feff}", "\u{0}",
        ]
        let fuzz = FuzzRun(
            "configuration", words: words,
            corpus: [Array(bare.utf8), Array(small.utf8), Array(small.utf8), Self.shipped])
        try fuzz(count: 300) {
            _ = try ConfigurationFile.read(
                String(decoding: $0, as: UTF8.self), file: "x.yaml", defaults: Configuration())
        }
    }

    @Test func aliasesCannotFillTheMemory() throws {
        // A billion laughs.
        var yaml = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        for level in 1...9 {
            yaml +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ",") + "]\n"
        }
        let start = Date()
        #expect(throws: ConfigurationError.self) {
            _ = try ConfigurationFile.read(yaml, file: "x.yaml", defaults: Configuration())
        }
        #expect(Date().timeIntervalSince(start) < 5)
    }

    @Test func locations() throws {
        let corpus = ["rtsp://user:pass@10.0.0.1:554/a?b=c#d", "/dev/video0", "file:///tmp/*.jpg", "http://[::1]/x"].map
        { Array($0.utf8) }
        let secrets = Secrets(environment: ["A": "${A}"])
        try FuzzRun("location", words: ["@", ":", "//", "${A}", "${", "}", "%40", "?"], corpus: corpus)(count: 5000) {
            input in
            let text = String(decoding: input, as: UTF8.self)
            _ = (redactedURL(text), try secrets.expand(text))
        }
    }

    @Test func detectionFiles() throws {
        let corpus = [
            "1,-1,10,20,30,40,0.9,-1,-1,-1\n2,-1,11,21,30,40,0.8,-1,-1,-1\n",
            "1,1,10,20,30,40,1,1,1\n2,1,9,9,9,9,1,8,0.5\n",
        ]
        .map { Array($0.utf8) }
        let info = "[Sequence]\nname=a\nframeRate=25\nseqLength=3\nimWidth=640\nimHeight=480\n"
        try FuzzRun("mot", words: [",", "\n", "\r\n", "-1", "nan", " "], corpus: corpus)(count: 2000) { input in
            let file = try MOTFile(contentsOf: try folder.write(input, "det.txt"))
            let damaged = Array(info.utf8) + input.prefix(40)
            _ = try MOTSequenceInfo(contentsOf: try folder.write(damaged, "seqinfo.ini"))
            let sequence = try MOTSequence(
                name: "a", truth: file, results: file, frames: min(file.lastFrame, 1000), benchmark: .mot17)
            _ = TrackingMetrics(sequence).figures
        }
    }

    @Test func annotationFiles() throws {
        let truth = #"""
            {"images":[{"id":1,"width":64,"height":48,"file_name":"a.jpg"}],"categories":[{"id":1,"name":"person"}],"annotations":[
            {"id":1,"image_id":1,"category_id":1,"bbox":[1,2,30,40],"area":1200,"iscrowd":0,"segmentation":[[1,2,31,2,31,42,1,42]],
            "keypoints":[1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2],"num_keypoints":17},
            {"id":2,"image_id":1,"category_id":1,"bbox":[5,5,9,9],"area":81,"iscrowd":1,"segmentation":{"size":[48,64],"counts":[100,50,2922]}}]}
            """#
        let results =
            #"[{"image_id":1,"category_id":1,"bbox":[1,2,30,40],"score":0.9,"segmentation":{"size":[48,64],"counts":"TPP31o2"}}]"#
        let words = [
            "images", "annotations", "segmentation", "counts", "size", "bbox", "keypoints", "iscrowd", "area", "[]",
            "{}", "null", "\"\"",
        ]
        let corpus = [Array(truth.utf8), Array(results.utf8)]
        try FuzzRun("coco", words: words, corpus: corpus)(count: 1000) { input in
            let path = try folder.write(input, "x.json")
            let isResults = input.first == UInt8(ascii: "[")
            let truthPath = try isResults ? folder.write(corpus[0], "truth.json") : path
            let dataset = try COCODataset(contentsOf: truthPath)
            let results = try COCOResult.read(isResults ? path : folder.write(corpus[1], "results.json"))
            for task in [COCOTask.bbox, .segm, .keypoints] {
                _ = try? COCOEvaluation(dataset, results: results, resultsPath: path, task: task).figures
            }
        }
    }
}
