import Engine
import Evaluation
import Foundation
import Ingest
import Pipeline
import Scene

/// Runs a network over the pictures of a COCO data set.
struct COCOSurvey {
    let network: HCQNet
    /// What the network sees; nil fits every picture, within `bounds`.
    let inputSize: PixelSize?
    let threads: Int?
    let threshold: Float
    let masks: Bool

    /// Most of COCO's pictures have this size.
    static let bounds = PixelSize(width: 640, height: 480)

    /// What the memory of the network may take for all shapes of pictures together.
    private static let mostBytes = 1 << 30

    /// People by picture.
    struct Found {
        var people: [(image: COCOImage, people: [Person])] = []
        var category = 1

        /// - Parameter task: whose score ranks them; people without a mask or joints are left out where these are asked for.
        func results(scoredAs task: COCOTask) -> [COCOResult] {
            people.flatMap { image, people in
                people.filter { COCOSurvey.has(task, $0) }.map {
                    COCOResult($0, image: image.id, category: category, size: image.size, scoredAs: task)
                }
            }
        }
    }

    fileprivate static func has(_ task: COCOTask, _ person: Person) -> Bool {
        switch task {
        case .bbox: true
        case .segm: person.mask?.isEmpty == false
        case .keypoints: !person.keypoints.isEmpty
        }
    }

    /// - Throws: `EvaluationError` for pictures that are missing or not of the stated size, `IngestError` for one that
    ///   cannot be read.
    func people(of dataset: COCODataset, in folder: String, only: Set<Int>?) throws -> Found {
        let images = dataset.images.filter { only?.contains($0.id) ?? true }
        try refuseMissing(images, folder)
        var workspaces: [Workspace] = []
        var found = Found()
        found.category = dataset.category
        let progress = ProgressPrinter(expected: images.count)
        defer { progress.clear() }
        for (index, image) in images.enumerated() {
            let size = inputSize ?? fittingInputSize(for: image.size, within: Self.bounds)
            let workspace = takeWorkspace(for: size, from: &workspaces)
            let people = network(try frame(of: image, in: folder, inputSize: size), using: workspace)
            found.people.append((image, people))
            progress.show(frames: index + 1, people: people.count)
        }
        return found
    }

    /// One that was used before, or a new one; those used longest ago make room for it.
    private func takeWorkspace(for size: PixelSize, from workspaces: inout [Workspace]) -> Workspace {
        let known = workspaces.firstIndex { $0.size == size }
        workspaces.append(known.map { workspaces.remove(at: $0) } ?? makeWorkspace(for: size))
        while workspaces.count > 1, workspaces.reduce(0, { $0 + $1.bytes }) > Self.mostBytes {
            workspaces.removeFirst()
        }
        return workspaces[workspaces.count - 1]
    }

    private func makeWorkspace(for size: PixelSize) -> Workspace {
        let workspace = network.makeWorkspace(for: size, threads: threads)
        workspace.people.scoreThreshold = threshold
        workspace.people.masks = masks
        return workspace
    }

    private func frame(of image: COCOImage, in folder: String, inputSize: PixelSize) throws -> Frame {
        let path = Self.path(of: image, folder)
        var settings = SourceSettings(inputSize: inputSize, threads: 1)
        var frame: Frame?
        // COCO's tools take pictures as they are stored; who labels in a browser sees them upright.
        for isUpright in [false, true] where frame?.size != image.size {
            settings.isUpright = isUpright
            frame = try VideoSource(path, camera: CameraID("coco"), settings: settings).next()
        }
        guard let frame else { throw EvaluationError.empty(path: path, expected: "picture") }
        guard frame.size == image.size else {
            throw EvaluationError.wrongSize(path: path, found: frame.size, expected: image.size)
        }
        return frame
    }

    private func refuseMissing(_ images: [COCOImage], _ folder: String) throws(EvaluationError) {
        let missing = images.filter {
            $0.fileName.isEmpty || !FileManager.default.fileExists(atPath: Self.path(of: $0, folder))
        }
        guard let first = missing.first else { return }
        throw .missingImages(
            path: Self.path(of: first, folder), id: first.id, count: missing.count, of: images.count)
    }

    private static func path(of image: COCOImage, _ folder: String) -> String {
        image.fileName.hasPrefix("/") ? image.fileName : folder + "/" + image.fileName
    }
}
