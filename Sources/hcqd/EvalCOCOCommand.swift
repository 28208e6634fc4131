import ArgumentParser
import Evaluation
import Foundation

/// `hcqd eval coco`: detections against COCO annotations.
struct EvalCOCOCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coco", abstract: "Measure boxes, masks and joints against COCO annotations.",
        discussion: """
            The figures are pycocotools'. Without --task everything is measured that results and annotations have.

            hcqd eval coco --detections results.json --annotations person_keypoints_val2017.json
            hcqd eval coco --detections results.json --annotations val.json --task keypoints --no-small
            """)

    @Option(help: "Annotations in COCO's JSON format.")
    var annotations: String
    @Option(help: "Results in COCO's JSON format.")
    var detections: String
    @Option(help: "bbox, segm or keypoints; may be given often.")
    var task: [Task] = []
    @Flag(name: .customLong("no-small"), help: "Ignore people under 32x32 pixels, as the paper's Table 4 does.")
    var withoutSmall = false
    @Flag(help: "Print JSON.")
    var json = false

    enum Task: String, ExpressibleByArgument, CaseIterable { case bbox, segm, keypoints }

    func run() throws {
        try reportingErrors {
            let dataset = try COCODataset(contentsOf: annotations)
            let results = try COCOResult.read(detections)
            try printCOCOFigures(
                dataset, results: results, path: detections, tasks: tasks(dataset, results), withoutSmall: withoutSmall,
                json: json)
        }
    }

    private func tasks(_ dataset: COCODataset, _ results: [COCOResult]) -> [COCOTask] {
        guard task.isEmpty else { return task.compactMap { COCOTask(rawValue: $0.rawValue) } }
        return dataset.tasks.filter { task in
            switch task {
            case .bbox: results.contains { $0.bbox != nil }
            case .segm: results.contains { $0.segmentation != nil }
            case .keypoints: results.contains { $0.keypoints != nil }
            }
        }
    }
}

/// Measures and prints each task.
func printCOCOFigures(
    _ dataset: COCODataset, results: [COCOResult], path: String, tasks: [COCOTask], withoutSmall: Bool, json: Bool
) throws {
    var report: [String: [String: Double]] = [:]
    for task in tasks {
        let evaluation = try COCOEvaluation(
            dataset, results: results, resultsPath: path, task: task, withoutSmall: withoutSmall)
        let figures = evaluation.figures
        report[task.rawValue] = Dictionary(uniqueKeysWithValues: figures.map { ($0.name, $0.value) })
        if !json {
            print(padded(task.rawValue, 12) + figures.map { padded($0.name, 10) }.joined())
            print(padded("", 12) + figures.map { padded(String(format: "%.4f", $0.value), 10) }.joined())
        }
    }
    if json {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        print(String(decoding: try encoder.encode(report), as: UTF8.self))
    }
}
