internal import FoundationEssentials
public import Scene

/// The people of one frame before anybody follows them: what the network said, as a line of JSON.
///
/// A file of such lines holds a clip's detections with everything that a tracker may use, so that a network runs once and
/// trackers run often. Numbers come back as they were, to the last bit.
public struct FramePeople: Sendable {
    /// Counts from 1.
    public var frame: Int
    public var time: StreamTime
    /// Of the picture, in pixels.
    public var size: PixelSize
    public var people: [Person]

    public init(frame: Int, time: StreamTime, size: PixelSize, people: [Person]) {
        self.frame = frame
        self.time = time
        self.size = size
        self.people = people
    }

    /// One line of JSON with the line feed; coordinates are in 0...1 of the frame, `mask` and `keypoints` as in the event
    /// log.
    public func line() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let record = Record(
            frame: frame, pts_us: time.microseconds, utc_us: time.utcMicroseconds, size: [size.width, size.height],
            people: people.map(PersonRecord.init))
        return String(decoding: try encoder.encode(record), as: UTF8.self) + "\n"
    }

    /// Reads a file of such lines.
    /// - Throws: `.unreadable`, `.badLine`.
    public static func read(_ path: String) throws(EvaluationError) -> [FramePeople] {
        let decoder = JSONDecoder()
        var frames: [FramePeople] = []
        var number = 0
        for line in try contents(of: path).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            guard !line.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") }) else { continue }
            guard let record = try? decoder.decode(Record.self, from: Data(line).endedJSON),
                let frame = FramePeople(record),
                frame.frame > frames.last?.frame ?? 0, frame.time >= frames.last?.time ?? frame.time
            else { throw .badLine(path: path, line: number, expected: "the people of a later frame in JSON") }
            frames.append(frame)
        }
        return frames
    }

    /// Larger ones are damage: JSON readers cannot tell them apart, and their differences would not fit.
    private static let largestTime: UInt64 = 1 << 53

    private init?(_ record: Record) {
        guard record.frame > 0, record.size.count == 2, record.size.allSatisfy(sides.contains),
            [record.pts_us, record.utc_us].allSatisfy({ $0.magnitude <= Self.largestTime })
        else { return nil }
        self.init(
            frame: record.frame,
            time: StreamTime(microseconds: record.pts_us, utcMicroseconds: record.utc_us),
            size: PixelSize(width: record.size[0], height: record.size[1]), people: [])
        for record in record.people {
            guard let person = record.person else { return nil }
            people.append(person)
        }
    }
}

/// How wide and high a picture can be, pixels.
private let sides = 1...100_000

private struct Record: Codable {
    var frame: Int
    var pts_us: Int64
    var utc_us: Int64
    var size: [Int]
    var people: [PersonRecord]
}

private struct PersonRecord: Codable {
    struct MaskRecord: Codable {
        var size: [Int]
        var counts: String
    }

    var box: [Float]
    var score: Float
    var mask_score: Float?
    var keypoints: [Float]?
    var mask: MaskRecord?
    var embedding: [Float]?

    init(_ person: Person) {
        box = [person.box.x0, person.box.y0, person.box.x1, person.box.y1]
        score = person.score
        mask_score = person.maskScore
        keypoints = person.keypoints.flatMap { [$0.position.x, $0.position.y, $0.confidence] }
        mask = person.mask.map { MaskRecord(size: [$0.size.height, $0.size.width], counts: $0.counts) }
        embedding = person.embedding
    }

    /// nil when the record is of another form.
    var person: Person? {
        guard box.count == 4 else { return nil }
        let joints = keypoints ?? []
        guard joints.isEmpty || joints.count == 3 * Joint.allCases.count else { return nil }
        var person = Person(box: Box(x0: box[0], y0: box[1], x1: box[2], y1: box[3]), score: score)
        person.maskScore = mask_score ?? 0
        person.embedding = embedding ?? []
        person.keypoints = stride(from: 0, to: joints.count, by: 3).map {
            Keypoint(position: Point(x: joints[$0], y: joints[$0 + 1]), confidence: joints[$0 + 2])
        }
        if let mask {
            guard mask.size.count == 2, mask.size.allSatisfy(sides.contains),
                let decoded = Mask(size: PixelSize(width: mask.size[1], height: mask.size[0]), counts: mask.counts)
            else { return nil }
            person.mask = decoded
        }
        return person
    }
}
