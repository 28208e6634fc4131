internal import Foundation
internal import Scene
internal import TestTools

/// People of the training shards as their labels describe them; used in place, never copied.
struct LabelledPeople {
    let person: Person
    /// Width over height of the picture.
    let aspect: Float
    let picture: Int

    private struct Annotations: Decodable {
        struct Picture: Decodable {
            let id: Int
            let width: Int
            let height: Int
        }
        struct Entry: Decodable {
            let id: Int
            let image_id: Int
            let iscrowd: Int?
            let bbox: [Float]
            let keypoints: [Float]?
            let segmentation: Segmentation?
        }
        struct Segmentation: Decodable {
            let size: [Int]
            let counts: String

            init(from decoder: any Decoder) throws {
                // Some shards have outlines instead of masks.
                guard let values = try? decoder.container(keyedBy: Keys.self) else {
                    (size, counts) = ([], "")
                    return
                }
                (size, counts) = (
                    try values.decode([Int].self, forKey: .size), try values.decode(String.self, forKey: .counts)
                )
            }

            enum Keys: String, CodingKey { case size, counts }
        }
        let images: [Picture]
        let annotations: [Entry]
    }

    /// By annotation number; nil, and a word about it, where the shard is not at hand.
    static func read(_ shard: String) throws -> [Int: LabelledPeople]? {
        let given = ProcessInfo.processInfo.environment["HCQD_DATA"]
        let data =
            given.map { URL(filePath: $0, relativeTo: JSONSchema.root) }
            ?? JSONSchema.root.appending(path: "../shared/data")
        let archive = data.appending(path: "train/\(shard).tar").path
        guard FileManager.default.fileExists(atPath: archive) else {
            print("left out: nothing is measured on labelled people, because \(archive) is not there")
            return nil
        }
        let json = try run(["tar", "-xOf", archive, "annotations.json"])
        let annotations = try JSONDecoder().decode(Annotations.self, from: Data(json))
        let pictures = Dictionary(uniqueKeysWithValues: annotations.images.map { ($0.id, $0) })
        var people: [Int: LabelledPeople] = [:]
        for entry in annotations.annotations where entry.iscrowd != 1 {
            if let picture = pictures[entry.image_id] { people[entry.id] = LabelledPeople(entry, in: picture) }
        }
        return people
    }

    private init(_ entry: Annotations.Entry, in picture: Annotations.Picture) {
        let (width, height) = (Float(picture.width), Float(picture.height))
        let joints = entry.keypoints ?? []
        let keypoints = stride(from: 0, to: joints.count / 3 * 3, by: 3).map {
            Keypoint(
                position: Point(x: joints[$0] / width, y: joints[$0 + 1] / height),
                confidence: joints[$0 + 2] > 0 ? 1 : 0)
        }
        let (x, y, w, h) = (entry.bbox[0], entry.bbox[1], entry.bbox[2], entry.bbox[3])
        let mask = entry.segmentation.flatMap { segmentation in
            segmentation.size.count == 2
                ? Mask(
                    size: PixelSize(width: segmentation.size[1], height: segmentation.size[0]),
                    counts: segmentation.counts)
                : nil
        }
        person = Person(
            box: Box(x0: x / width, y0: y / height, x1: (x + w) / width, y1: (y + h) / height), score: 1,
            keypoints: keypoints, mask: mask)
        aspect = width / height
        self.picture = picture.id
    }
}
