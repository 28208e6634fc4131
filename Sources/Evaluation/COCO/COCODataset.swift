internal import FoundationEssentials
public import Scene

/// A picture of a COCO annotation file.
public struct COCOImage: Sendable, Equatable {
    public let id: Int
    public let fileName: String
    public let size: PixelSize
}

/// One person of a COCO annotation file, or a crowd of them.
public struct COCOAnnotation: Sendable {
    public let id: Int
    public let imageID: Int
    /// left, top, width, height in pixels; 0 where the file has none.
    public let box: [Double]
    /// Whether the file has a box.
    public let hasBox: Bool
    /// Pixels.
    public let area: Double
    /// A region with people that are not told apart.
    public let isCrowd: Bool
    public let segmentation: COCOSegmentation?
    /// 51 numbers (x, y, visibility), or empty.
    public let keypoints: [Double]
    /// Joints with a visibility above 0.
    public let labelledKeypoints: Int
}

/// The people of a COCO annotation file.
public struct COCODataset: Sendable {
    public let path: String
    /// In the order of their ids.
    public let images: [COCOImage]
    /// In the order of the file.
    public let annotations: [COCOAnnotation]
    /// The id of the category that is evaluated.
    public let category: Int

    /// Reads the annotations of category "person", or of the only category there is.
    /// - Throws: `.unreadable`, `.badJSON`.
    public init(contentsOf path: String) throws(EvaluationError) {
        let file = try decoded(COCOFile.self, from: path)
        let categories = file.categories ?? []
        guard
            let category = categories.first(where: { $0.name == "person" })?.id
                ?? (categories.count <= 1 ? categories.first?.id ?? 1 : nil)
        else { throw .badJSON(path: path, reason: "has several categories and none of them is named person") }
        if let image = file.images.first(where: { !$0.hasPossibleSize }) {
            throw .badJSON(
                path: path,
                reason: "image \(image.id) has size \(image.width)x\(image.height), expected 0 to 65535 each")
        }
        self.path = path
        self.category = category
        let everyImage = file.images.map {
            COCOImage(id: $0.id, fileName: $0.file_name ?? "", size: PixelSize(width: $0.width, height: $0.height))
        }
        // As in pycocotools the last one of an id counts.
        images = Dictionary(everyImage.map { ($0.id, $0) }) { $1 }.values.sorted { $0.id < $1.id }
        let people = file.annotations.enumerated().filter { $0.element.category_id == category }
        if let (index, wrong) = people.first(where: { $0.element.problem != nil }) {
            throw .badJSON(path: path, reason: "annotations[\(index)].\(wrong.problem ?? "")")
        }
        annotations = people.map(\.element.annotation)
    }

    /// What the annotations can judge.
    public var tasks: [COCOTask] {
        COCOTask.allCases.filter { task in
            switch task {
            case .bbox: annotations.allSatisfy(\.hasBox)
            case .segm: !annotations.isEmpty && annotations.allSatisfy { $0.segmentation != nil }
            case .keypoints: annotations.contains { $0.keypoints.count == 51 }
            }
        }
    }
}

/// The outlines of a person as a file tells them.
public enum COCOSegmentation: Sendable, Equatable {
    /// Corners x, y, x, y... in pixels, one list for each part.
    case polygons([[Double]])
    /// Uncompressed runs down the columns.
    case runs([UInt32], PixelSize)
    /// COCO's compressed runs.
    case compressed(String, PixelSize)

    /// The pixels inside; nil when runs do not cover their size, or when polygons go so far that no picture holds them.
    /// - Parameter size: of the picture, for polygons.
    public func mask(size: PixelSize) -> Mask? {
        switch self {
        case .polygons(let parts): Self.areDrawable(parts) ? Mask(polygons: parts, size: size) : nil
        case .compressed(let counts, let size): Mask(size: size, counts: counts)
        case .runs(let runs, let size):
            runs.reduce(0) { $0 + Int($1) } == size.width * size.height ? Mask(size: size, runs: runs) : nil
        }
    }
}

extension COCOSegmentation {
    /// Whether the outlines together are shorter than a million pixels: time and memory go with their length.
    private static func areDrawable(_ parts: [[Double]]) -> Bool {
        var length = 0.0
        for part in parts {
            if part.count == 4 { length += 2 * (abs(part[2]) + abs(part[3])) }
            for i in part.indices { length += abs(part[i] - part[abs(i + part.count - 2) % part.count]) }
        }
        return length < 1e6
    }
}

extension COCOSegmentation: Codable {
    private enum Key: String, CodingKey { case size, counts }

    public init(from decoder: any Decoder) throws {
        if let values = try? decoder.container(keyedBy: Key.self) {
            let sides: [Int] = try values.read(.size)
            guard sides.count == 2, sides.allSatisfy({ $0 >= 0 && $0 < 1 << 20 }) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .size, in: values, debugDescription: "size is not [height, width]")
            }
            let size = PixelSize(width: sides[1], height: sides[0])
            if let text = try? values.decode(String.self, forKey: .counts) {
                self = .compressed(text, size)
            } else {
                self = .runs(try values.read(.counts), size)
            }
        } else {
            self = .polygons(try decoder.singleValueContainer().decode([[Double]].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .polygons(let parts): try parts.encode(to: encoder)
        case .runs(let runs, let size):
            var values = encoder.container(keyedBy: Key.self)
            try values.encode([size.height, size.width], forKey: .size)
            try values.encode(runs, forKey: .counts)
        case .compressed(let counts, let size):
            var values = encoder.container(keyedBy: Key.self)
            try values.encode([size.height, size.width], forKey: .size)
            try values.encode(counts, forKey: .counts)
        }
    }
}

/// The file as it stands; names are COCO's.
private struct COCOFile: Decodable {
    struct Image: Decodable {
        let id: Int
        let file_name: String?
        let width: Int
        let height: Int

        enum Key: String, CodingKey { case id, file_name, width, height }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Key.self)
            id = try values.read(.id)
            file_name = try values.readIfPresent(.file_name)
            width = try values.read(.width)
            height = try values.read(.height)
        }

        var hasPossibleSize: Bool { (0...65_535).contains(width) && (0...65_535).contains(height) }
    }

    struct Category: Decodable {
        let id: Int
        let name: String

        enum Key: String, CodingKey { case id, name }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Key.self)
            id = try values.read(.id)
            name = try values.read(.name)
        }
    }

    struct Annotation: Decodable {
        let category_id: Int
        let annotation: COCOAnnotation
        /// What is wrong with it where it is a person's; other categories may have any number of joints.
        let problem: String?

        enum Key: String, CodingKey {
            case id, image_id, category_id, bbox, area, iscrowd, segmentation, keypoints, num_keypoints
        }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Key.self)
            let statedBox = try values.readIfPresent(.bbox, as: [Double].self)
            let box = statedBox ?? [0, 0, 0, 0]
            let keypoints = try values.readIfPresent(.keypoints, as: [Double].self) ?? []
            if box.count != 4 {
                problem = "bbox is not [x, y, width, height]"
            } else {
                problem = keypoints.isEmpty || keypoints.count == 51 ? nil : "keypoints are not 51 numbers"
            }
            let labelled = stride(from: 2, to: keypoints.count, by: 3).count { keypoints[$0] > 0 }
            category_id = try values.readIfPresent(.category_id) ?? 1
            // Some tools write true and false.
            let isCrowd =
                try (try? values.readIfPresent(.iscrowd, as: Bool.self))
                ?? ((values.readIfPresent(.iscrowd, as: Int.self) ?? 0) != 0)
            annotation = COCOAnnotation(
                id: try values.read(.id), imageID: try values.read(.image_id), box: box, hasBox: statedBox != nil,
                area: try values.readIfPresent(.area) ?? (box.count == 4 ? box[2] * box[3] : 0), isCrowd: isCrowd,
                segmentation: try values.readIfPresent(.segmentation), keypoints: keypoints,
                labelledKeypoints: try values.readIfPresent(.num_keypoints) ?? labelled)
        }
    }

    let images: [Image]
    let annotations: [Annotation]
    let categories: [Category]?
}

/// Of a number that its type cannot hold `JSONDecoder` only says that the file is no JSON; these say where it stands.
extension KeyedDecodingContainer {
    func readIfPresent<T: Decodable>(_ key: Key, as type: T.Type = T.self) throws -> T? {
        do { return try decodeIfPresent(type, forKey: key) } catch let error as DecodingError { throw error } catch {
            throw DecodingError.typeMismatch(
                type, DecodingError.Context(codingPath: codingPath + [key], debugDescription: ""))
        }
    }

    func read<T: Decodable>(_ key: Key) throws -> T {
        try readIfPresent(key) ?? decode(T.self, forKey: key)
    }
}

/// Decodes a JSON file; what is wrong is said with the place in the file.
func decoded<T: Decodable>(_ type: T.Type, from path: String) throws(EvaluationError) -> T {
    let data = try contents(of: path)
    do { return try JSONDecoder().decode(type, from: data.endedJSON) } catch let error as DecodingError {
        throw .badJSON(path: path, reason: reason(error))
    } catch {
        throw .badJSON(path: path, reason: "is not JSON")
    }
}

private func reason(_ error: DecodingError) -> String {
    func place(_ context: DecodingError.Context) -> String {
        let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
        return path.isEmpty ? "the file" : String(path.drop { $0 == "." })
    }
    switch error {
    case .keyNotFound(let key, let context): return "\(place(context)) has no \(key.stringValue)"
    case .typeMismatch(let type, let context):
        return "\(place(context)) is not \(named(type))"
    case .valueNotFound(_, let context): return "\(place(context)) is null"
    case .dataCorrupted(let context) where context.codingPath.isEmpty: return "is not JSON"
    case .dataCorrupted(let context): return "\(place(context)): \(context.debugDescription)"
    @unknown default: return "is not of COCO's form"
    }
}

/// What JSON calls a type.
private func named(_ type: Any.Type) -> String {
    switch "\(type)" {
    case "Int": "a whole number of 64 bits"
    case "Double": "a number"
    case "String": "a text"
    case let name where name.hasPrefix("Array"): "a list"
    case let name where name.hasPrefix("Dictionary"): "an object"
    case let name: "of type \(name)"
    }
}
