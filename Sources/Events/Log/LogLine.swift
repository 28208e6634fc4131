public import Scene
internal import FoundationEssentials

/// A line of a log, read back: by `hcqd events`, and after a crash to tell the end of what was begun.
///
/// Keys that a line does not have are nil; keys that are not known are passed over, so later versions stay readable.
public struct LogLine: Decodable, Sendable {
    public let v: Int
    public let seq: UInt64
    public let type: String
    public let camera: String
    public let t: String
    /// Seconds since the stream's first frame.
    public let pts: Double
    public let clock: String?
    public let id: String?
    public let start: String?
    public let end: String?
    public let reason: String?
    public let score: Double?
    public let topScore: Double?
    public let box: [Float]?
    public let size: [Int]?
    public let keypoints: [Float]?
    public let ground: Ground?
    public let visible: Float?
    public let zones: [String]?
    public let enteredZones: [String]?
    public let stationary: Bool?
    public let posture: String?
    public let cause: String?
    public let path: [[Double]]?
    public let snapshot: String?
    public let zone: String?
    public let dwell: Double?
    public let line: String?
    public let direction: String?
    /// Of `occupancy`; nil for the counts of `events_dropped`.
    public let count: Int?
    /// Of `events_dropped`: lines by type.
    public let counts: [String: Int]?
    let mask: CompressedMask?

    public struct Ground: Decodable, Sendable {
        public let xy: [Float]
        public let src: String
    }

    struct CompressedMask: Decodable, Sendable {
        let size: [Int]
        let counts: String
    }

    enum CodingKeys: String, CodingKey {
        case v, seq, type, camera, t, pts, clock, id, start, end, reason, score, box, size, keypoints, ground, visible
        case zones, stationary, posture, cause, path, snapshot, zone, line, direction, count, mask
        case topScore = "top_score"
        case enteredZones = "entered_zones"
        case dwell = "dwell_s"
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        v = try values.decode(Int.self, forKey: .v)
        seq = try values.decode(UInt64.self, forKey: .seq)
        type = try values.decode(String.self, forKey: .type)
        camera = try values.decode(String.self, forKey: .camera)
        t = try values.decode(String.self, forKey: .t)
        pts = try values.decode(Double.self, forKey: .pts)
        clock = try? values.decode(String.self, forKey: .clock)
        id = try? values.decode(String.self, forKey: .id)
        start = try? values.decode(String.self, forKey: .start)
        end = try? values.decode(String.self, forKey: .end)
        reason = try? values.decode(String.self, forKey: .reason)
        score = try? values.decode(Double.self, forKey: .score)
        topScore = try? values.decode(Double.self, forKey: .topScore)
        box = try? values.decode([Float].self, forKey: .box)
        size = try? values.decode([Int].self, forKey: .size)
        keypoints = try? values.decode([Float].self, forKey: .keypoints)
        ground = try? values.decode(Ground.self, forKey: .ground)
        visible = try? values.decode(Float.self, forKey: .visible)
        zones = try? values.decode([String].self, forKey: .zones)
        enteredZones = try? values.decode([String].self, forKey: .enteredZones)
        stationary = try? values.decode(Bool.self, forKey: .stationary)
        posture = try? values.decode(String.self, forKey: .posture)
        cause = try? values.decode(String.self, forKey: .cause)
        path = try? values.decode([[Double]].self, forKey: .path)
        snapshot = try? values.decode(String.self, forKey: .snapshot)
        zone = try? values.decode(String.self, forKey: .zone)
        dwell = try? values.decode(Double.self, forKey: .dwell)
        line = try? values.decode(String.self, forKey: .line)
        direction = try? values.decode(String.self, forKey: .direction)
        count = try? values.decode(Int.self, forKey: .count)
        counts = try? values.decode([String: Int].self, forKey: .count)
        mask = try? values.decode(CompressedMask.self, forKey: .mask)
    }

    /// Larger ones are damage: JSON readers cannot tell them apart, and no log comes this far.
    static let largestNumber: UInt64 = 1 << 53

    /// nil when `bytes` are not one whole line of a log.
    public init?(_ bytes: some Sequence<UInt8>) {
        guard let line = try? JSONDecoder().decode(LogLine.self, from: Data(bytes).endedJSON),
            line.seq <= Self.largestNumber
        else {
            return nil
        }
        self = line
    }
}

extension LogLine {
    /// The line's moment.
    public var time: StreamTime? { Timestamp.utcMicroseconds(t).map(time(utc:)) }

    private func time(utc: Int64) -> StreamTime {
        // Beyond thirty thousand years it is damage, with which nothing may be computed.
        StreamTime(microseconds: abs(pts) < 1e12 ? Int64((pts * 1e6).rounded()) : 0, utcMicroseconds: utc)
    }

    /// What a `start` or `update` told of a track; nil when the line is neither or has been damaged.
    func report() -> TrackReport? {
        guard let time, let trackID, let box, box.count == 4, let size, size.count == 2, let start,
            let firstSeen = Timestamp.utcMicroseconds(start)
        else { return nil }
        let person = Person(
            box: Box(x0: box[0], y0: box[1], x1: box[2], y1: box[3]), score: Float(score ?? 0), keypoints: joints(),
            mask: decodedMask())
        let elapsed = time.utcMicroseconds - firstSeen
        let track = Track(
            id: trackID, state: .seen, person: person,
            firstSeen: StreamTime(microseconds: time.microseconds - elapsed, utcMicroseconds: firstSeen),
            lastSeen: time, visible: visible)
        return TrackReport(
            track: track, topScore: Float(topScore ?? score ?? 0), size: PixelSize(width: size[0], height: size[1]),
            ground: groundPoint(), zones: zones ?? [], enteredZones: enteredZones ?? [],
            stationary: stationary ?? false, posture: posture.flatMap(Posture.init), path: wayPoints())
    }

    /// The track that the line is about: camera and the number at the end of `id`.
    var trackID: TrackID? {
        guard let id, let dash = id.lastIndex(of: "-"), let ordinal = UInt64(id[id.index(after: dash)...]),
            ordinal <= Self.largestNumber
        else { return nil }
        return TrackID(camera: CameraID(camera), ordinal: ordinal)
    }

    private func joints() -> [Keypoint] {
        guard let keypoints, keypoints.count == 51 else { return [] }
        return stride(from: 0, to: 51, by: 3).map {
            Keypoint(position: Point(x: keypoints[$0], y: keypoints[$0 + 1]), confidence: keypoints[$0 + 2])
        }
    }

    private func decodedMask() -> Mask? {
        guard let mask, mask.size.count == 2, mask.size.allSatisfy({ (1...100_000).contains($0) }) else { return nil }
        return Mask(size: PixelSize(width: mask.size[1], height: mask.size[0]), counts: mask.counts)
    }

    private func groundPoint() -> GroundPoint? {
        guard let ground, ground.xy.count == 2, let source = GroundPoint.Source(rawValue: ground.src) else {
            return nil
        }
        return GroundPoint(point: Point(x: ground.xy[0], y: ground.xy[1]), source: source)
    }

    private func wayPoints() -> [PathPoint] {
        (path ?? []).filter { $0.count == 3 }.map {
            PathPoint(
                point: Point(x: Float($0[0]), y: Float($0[1])),
                microseconds: Int64(exactly: ($0[2] * 1e6).rounded()) ?? 0)
        }
    }
}
