import ArgumentParser
import Engine
import Evaluation
import Foundation
import Pipeline
import Scene

/// `hcqd eval coco`: a network, or a file of detections, against COCO annotations.
struct EvalCOCOCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coco", abstract: "Measure boxes, masks and joints against COCO annotations.",
        discussion: """
            Runs a network over the pictures of the annotations, or takes a file of detections. The figures are \
            pycocotools'; 1 is everything, -1 says that the annotations have nothing of the kind. Without --task \
            everything is measured that the annotations have.

            Examples:
              hcqd eval coco --model M.safetensors --images val2017 \\
                --annotations person_keypoints_val2017.json
              hcqd eval coco --model M.safetensors --images DIR --annotations A.json \\
                --results found.json
              hcqd eval coco --detections found.keypoints.json --annotations A.json \\
                --task keypoints --no-small

            Pictures count as they are stored, without their EXIF orientation, as long as that gives the size that the \
            annotations state; else upright.

            --results writes boxes, masks and joints with the detection score, which ranks boxes, and beside it the same \
            with the score that ranks masks (x mean probability inside the mask) and the one that ranks joints (x mean \
            joint confidence): found.json, found.segm.json, found.keypoints.json.
            """)

    @Option(help: "Annotations in COCO's JSON format.", completion: .file(extensions: ["json"]))
    var annotations: String
    @Option(help: "The network.", completion: .file(extensions: ["safetensors"]))
    var model: String?
    @Option(help: "The folder of the pictures that the annotations name.", completion: .directory)
    var images: String?
    @Option(help: "Detections in COCO's JSON format, in place of a network.", completion: .file(extensions: ["json"]))
    var detections: String?
    @Option(help: "Where the network's detections are written.", completion: .file(extensions: ["json"]))
    var results: String?
    @Option(help: "bbox, segm or keypoints; may be given often.")
    var task: [Task] = []
    @Flag(name: .customLong("no-small"), help: "Ignore people under 32x32 pixels, as the paper's Table 4 does.")
    var withoutSmall = false
    @Option(help: "A text file: only these pictures count, one file name or id a line.", completion: .file())
    var only: String?
    @Option(
        help: ArgumentHelp(
            "What the network sees: \(InputSize.rule); by default every picture as large as fits into 640x480.",
            valueName: "WxH"))
    var size: InputSize?
    @Option(help: "The network's people below this score are left out, 0...1.")
    var threshold: Float = 0.01
    @Option(help: "Cores that work on a picture; all by default.")
    var threads: Int?
    @Flag(help: "Print JSON.")
    var json = false

    enum Task: String, ExpressibleByArgument, CaseIterable { case bbox, segm, keypoints }

    func validate() throws {
        if (model == nil) == (detections == nil) { throw ValidationError("Name either --model or --detections.") }
        if model != nil, images == nil { throw ValidationError("--model needs --images, the folder of the pictures.") }
        if results != nil, model == nil { throw ValidationError("--results writes what --model finds; name a model.") }
        if !(0...1).contains(threshold) { throw ValidationError("--threshold \(threshold): must be 0...1.") }
        if let threads, threads < 1 { throw ValidationError("--threads \(threads): must be at least 1.") }
    }

    func run() throws {
        try reporting {
            let dataset = try COCODataset(contentsOf: annotations)
            let chosen = try chosenImages(of: dataset)
            if let detections {
                let found = try COCOResult.read(detections)
                try judge(dataset, [(found, detections, wanted(dataset, in: found))], images: chosen)
            } else if let model, let images {
                try runNetwork(model, over: images, dataset, chosen)
            }
        }
    }

    private func runNetwork(_ model: String, over folder: String, _ dataset: COCODataset, _ chosen: Set<Int>?) throws {
        let network = try orExit(.model) { () throws(EngineError) in try HCQNet(contentsOf: model) }
        let survey = COCOSurvey(
            network: network, inputSize: size?.pixels, threads: threads, threshold: threshold,
            masks: results != nil || (task.isEmpty ? dataset.tasks.contains(.segm) : task.contains(.segm)))
        // Before hours of work, not after them.
        if let results { _ = try OutputFile(results, truncating: false) }
        let found = try survey.people(of: dataset, in: folder, only: chosen)
        let path = results ?? "detections"
        let stem = path.hasSuffix(".json") ? String(path.dropLast(5)) : path
        let wanted = wanted(dataset, in: found.results(scoredAs: .bbox))
        var ranked: [(results: [COCOResult], path: String, tasks: [COCOTask])] = []
        for task in COCOTask.allCases where results != nil || wanted.contains(task) {
            let ownPath = task == .bbox ? path : "\(stem).\(task.rawValue).json"
            let own = found.results(scoredAs: task)
            if results != nil { try OutputFile(ownPath).write(COCOResult.json(own)) }
            if wanted.contains(task) { ranked.append((own, ownPath, [task])) }
        }
        try judge(dataset, ranked, images: chosen)
    }

    private func judge(
        _ dataset: COCODataset, _ found: [(results: [COCOResult], path: String, tasks: [COCOTask])], images: Set<Int>?
    ) throws {
        var report: [String: [String: Double]] = [:]
        for (results, path, tasks) in found {
            for task in tasks {
                let figures = try COCOEvaluation(
                    dataset, results: results, resultsPath: path, task: task, withoutSmall: withoutSmall, images: images
                ).figures
                report[task.rawValue] = Dictionary(uniqueKeysWithValues: figures.map { ($0.name, $0.value) })
                guard !json else { continue }
                print(padded(task.rawValue, 12) + figures.map { padded($0.name, 10) }.joined())
                print(padded("", 12) + figures.map { padded(String(format: "%.4f", $0.value), 10) }.joined())
            }
        }
        guard json else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        print(String(decoding: try encoder.encode(report), as: UTF8.self))
    }

    /// What was asked for, or what both sides have.
    private func wanted(_ dataset: COCODataset, in results: [COCOResult]) -> [COCOTask] {
        guard task.isEmpty else {
            return COCOTask.allCases.filter { wanted in task.contains { $0.rawValue == wanted.rawValue } }
        }
        // Nothing found is found of every kind.
        if results.isEmpty { return dataset.tasks }
        return dataset.tasks.filter { task in
            switch task {
            case .bbox: results.contains { $0.bbox != nil }
            case .segm: results.contains { $0.segmentation != nil }
            case .keypoints: results.contains { $0.keypoints != nil }
            }
        }
    }

    private func chosenImages(of dataset: COCODataset) throws -> Set<Int>? {
        guard let only else { return nil }
        guard let text = try? String(contentsOfFile: only, encoding: .utf8) else {
            throw EvaluationError.unreadable(path: only)
        }
        let names = Set(text.split(whereSeparator: \.isNewline).map(String.init))
        let images = dataset.images.filter { names.contains($0.fileName) || names.contains(String($0.id)) }
        guard !images.isEmpty else { throw EvaluationError.empty(path: only, expected: "picture of \(annotations)") }
        let known = Set(images.flatMap { [$0.fileName, String($0.id)] })
        let strange = names.subtracting(known)
        if let first = strange.min() {
            complain(
                "warning: \(only): \(strange.count) of \(names.count) lines name no picture of \(annotations), "
                    + "such as '\(first)'"
            )
        }
        return Set(images.map(\.id))
    }
}
