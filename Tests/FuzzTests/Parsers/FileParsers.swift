import Foundation
import Ingest
import Scene
import Tracking

@testable import Evaluation
@testable import Pipeline

/// Configurations, locations and files of detections.
extension FuzzedParser {
    static let fileParsers = [
        FuzzedParser(name: "configuration", words: yamlWords, corpus: configurations, count: 300) { input, folder in
            let configuration = try ConfigurationFile.read(
                String(decoding: input, as: UTF8.self), file: "x.yaml", defaults: Configuration())
            _ = configuration.missingSecrets(Secrets(environment: [:]), file: "x.yaml")
            _ = configuration.missingFiles(file: folder.path + "/x.yaml")
        },
        FuzzedParser(
            name: "location", words: ["@", ":", "//", "${A}", "${", "}", "%40", "?"], corpus: locations, count: 5000
        ) { input, _ in
            let text = String(decoding: input, as: UTF8.self)
            _ = (redactedURL(text), try Secrets(environment: ["A": "${A}"]).expand(text))
        },
        FuzzedParser(
            name: "mot", words: [",", "\n", "\r\n", "-1", "nan", " "], corpus: detections, count: 2000, read: readMOT),
        FuzzedParser(name: "coco", words: cocoWords, corpus: [truth, results], count: 1000, read: readCOCO),
        FuzzedParser(name: "people", words: cocoWords, corpus: people, count: 1000) { input, folder in
            var tracker = Tracker(camera: CameraID("x"), firstOrdinal: 1, settings: TrackerSettings())
            for frame in try FramePeople.read(folder.write(input, "x.jsonl")) {
                _ = (tracker.update(with: frame.people, at: frame.time), try frame.line())
            }
        },
    ]

    private static let configurations: [[UInt8]] = {
        let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let shipped = (try? Array(Data(contentsOf: project.appending(path: "Config/hcqd.yaml")))) ?? []
        // Without comments most damage lands in keys and values.
        let bare = String(decoding: shipped, as: UTF8.self).split(separator: "\n").map { $0.prefix { $0 != "#" } }
            .filter { $0.contains { !$0.isWhitespace } }.joined(separator: "\n")
        let small =
            "cameras:\n  door: {url: \"rtsp://a\", events: {zones: [{name: yard, polygon: [[0,0],[1,0],[1,1]]}]}}\n"
        return [Array(bare.utf8), Array(small.utf8), Array(small.utf8), shipped]
    }()
    private static let yamlWords = [
        "model", "cameras", "log", "url", "events", "zones", "polygon", "lines", "http", "mqtt", "null", "~",
        "true", "- ", ": ", "\n  ", "\t", "&a", "*a", "<<: *a", "!!binary", "!!int", "|", ">", "?", "%YAML 9.9", "---",
        "...", "'", "\"", "#", "{", "[", "${X}", "${", ".inf", ".nan", "0o7", "\u{feff}", "\u{0}",
    ]

    private static let locations = [
        "rtsp://user:pass@10.0.0.1:554/a?b=c#d", "/dev/video0", "file:///tmp/*.jpg", "http://[::1]/x",
    ].map { Array($0.utf8) }

    private static let detections = [
        "1,-1,10,20,30,40,0.9,-1,-1,-1\n2,-1,11,21,30,40,0.8,-1,-1,-1\n",
        "1,1,10,20,30,40,1,1,1\n2,1,9,9,9,9,1,8,0.5\n",
    ].map { Array($0.utf8) }

    @Sendable private static func readMOT(_ input: [UInt8], _ folder: FuzzFolder) throws {
        let file = try MOTFile(contentsOf: try folder.write(input, "det.txt"))
        let info = "[Sequence]\nname=a\nframeRate=25\nseqLength=3\nimWidth=640\nimHeight=480\n"
        _ = try? MOTSequenceInfo(contentsOf: try folder.write(Array(info.utf8) + input.prefix(40), "seqinfo.ini"))
        let sequence = try MOTSequence(
            name: "a", truth: file, results: file, frames: min(file.lastFrame, 1000), benchmark: .mot17)
        _ = TrackingMetrics(sequence).figures
    }

    private static let truth = Array(
        #"""
        {"images":[{"id":1,"width":64,"height":48,"file_name":"a.jpg"}],"categories":[{"id":1,"name":"person"}],"annotations":[
        {"id":1,"image_id":1,"category_id":1,"bbox":[1,2,30,40],"area":1200,"iscrowd":0,"segmentation":[[1,2,31,2,31,42,1,42]],
        "keypoints":[1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2,1,2,2],"num_keypoints":17},
        {"id":2,"image_id":1,"category_id":1,"bbox":[5,5,9,9],"area":81,"iscrowd":1,"segmentation":{"size":[48,64],"counts":[100,50,2922]}}]}
        """#.utf8)
    private static let results = Array(
        #"[{"image_id":1,"category_id":1,"bbox":[1,2,30,40],"score":0.9,"segmentation":{"size":[48,64],"counts":"TPP31o2"}}]"#
            .utf8)
    private static let cocoWords = [
        "images", "annotations", "segmentation", "counts", "size", "bbox", "keypoints", "iscrowd", "area", "[]",
        "{}", "null", "\"\"", "frame", "pts_us", "people", "mask",
    ]

    @Sendable private static func readCOCO(_ input: [UInt8], _ folder: FuzzFolder) throws {
        let path = try folder.write(input, "x.json")
        let isResults = input.first == UInt8(ascii: "[")
        let dataset = try COCODataset(contentsOf: isResults ? folder.write(truth, "truth.json") : path)
        let read = try COCOResult.read(isResults ? path : folder.write(results, "results.json"))
        for task in [COCOTask.bbox, .segm, .keypoints] {
            _ = try? COCOEvaluation(dataset, results: read, resultsPath: path, task: task).figures
        }
    }

    private static let people = [
        #"{"frame":1,"pts_us":0,"utc_us":0,"size":[8,4],"people":[]}"# + "\n"
            + #"{"frame":3,"pts_us":40000,"utc_us":1700000000000000,"size":[8,4],"people":[{"box":[0.1,0.2,0.3,0.9],"score":0.9,"#
            + #""mask":{"size":[4,8],"counts":"57d0"},"embedding":[0.5,-1]}]}"# + "\n"
    ].map { Array($0.utf8) }
}
