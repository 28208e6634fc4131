internal import FoundationEssentials
public import Scene

/// What COCO measures.
public enum COCOTask: String, Sendable, CaseIterable {
    case bbox, segm, keypoints
}

/// One line of a COCO results file. Names are COCO's.
public struct COCOResult: Codable, Sendable, Equatable {
    public var image_id: Int
    public var category_id: Int
    /// left, top, width, height in pixels.
    public var bbox: [Double]?
    public var segmentation: COCOSegmentation?
    /// 51 numbers: x, y in pixels and a confidence.
    public var keypoints: [Double]?
    public var score: Double

    public init(
        image_id: Int, category_id: Int = 1, bbox: [Double]? = nil, segmentation: COCOSegmentation? = nil,
        keypoints: [Double]? = nil, score: Double
    ) {
        self.image_id = image_id
        self.category_id = category_id
        self.bbox = bbox
        self.segmentation = segmentation
        self.keypoints = keypoints
        self.score = score
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            image_id: try values.read(.image_id), category_id: try values.read(.category_id),
            bbox: try values.readIfPresent(.bbox), segmentation: try values.readIfPresent(.segmentation),
            keypoints: try values.readIfPresent(.keypoints), score: try values.read(.score))
    }

    /// A person found in a picture of `size`.
    /// - Parameter scoredAs: which score is taken: detection, segmentation or pose.
    public init(_ person: Person, image: Int, category: Int = 1, size: PixelSize, scoredAs task: COCOTask = .bbox) {
        let (w, h) = (Double(size.width), Double(size.height))
        let box = person.box
        self.init(
            image_id: image, category_id: category,
            bbox: [Double(box.x0) * w, Double(box.y0) * h, Double(box.width) * w, Double(box.height) * h],
            segmentation: person.mask.map { .compressed($0.counts, $0.size) },
            keypoints: person.keypoints.isEmpty
                ? nil
                : person.keypoints.flatMap {
                    [Double($0.position.x) * w, Double($0.position.y) * h, Double($0.confidence)]
                },
            score: Double(person.score(for: task)))
    }

    /// Reads a COCO results file.
    /// - Throws: `.unreadable`, `.badJSON`.
    public static func read(_ path: String) throws(EvaluationError) -> [COCOResult] {
        try decoded([COCOResult].self, from: path)
    }

    /// The text of a COCO results file.
    public static func json(_ results: [COCOResult]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(results), as: UTF8.self)
    }
}

extension Person {
    /// What ranks boxes, masks or joints.
    func score(for task: COCOTask) -> Float {
        switch task {
        case .bbox: score
        case .segm: maskScore
        case .keypoints: poseScore
        }
    }
}
