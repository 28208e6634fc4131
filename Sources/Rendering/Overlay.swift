public import Scene

/// What is drawn over one frame.
public struct Overlay: Sendable {
    /// A polygon with a name; who is inside decides its colour.
    public struct Zone: Sendable, Equatable {
        public var name: String
        /// Corners in normalised image coordinates.
        public var polygon: [Point]
        /// People inside; nil shows no number.
        public var count: Int?

        public init(name: String, polygon: [Point], count: Int? = nil) {
            self.name = name
            self.polygon = polygon
            self.count = count
        }
    }

    /// A line that people cross, from A to B.
    public struct Line: Sendable, Equatable {
        public var name: String
        public var from: Point
        public var to: Point
        /// Crossings so far to the left and to the right of A -> B; nil shows none.
        public var left: Int?
        public var right: Int?

        public init(name: String, from: Point, to: Point, left: Int? = nil, right: Int? = nil) {
            self.name = name
            self.from = from
            self.to = to
            self.left = left
            self.right = right
        }
    }

    public var tracks: [Track]
    /// Everyone whom the network found, tracked or not: redaction covers them too.
    public var people: [Person]
    public var zones: [Zone]
    public var lines: [Line]
    /// Small text at the top left: camera and time.
    public var caption: String?
    /// Corners of places that stay black, for privacy.
    public var hidden: [[Point]]

    public init(
        tracks: [Track] = [], people: [Person] = [], zones: [Zone] = [], lines: [Line] = [], caption: String? = nil,
        hidden: [[Point]] = []
    ) {
        self.hidden = hidden
        self.tracks = tracks
        self.people = people
        self.zones = zones
        self.lines = lines
        self.caption = caption
    }
}

/// What may leave the machine as a picture.
public enum Redaction: String, Codable, Sendable, CaseIterable {
    /// Pictures show people as they are.
    case never
    /// People are covered in everything that is drawn, and writers refuse what is not.
    case always
}

/// How pictures are drawn: what the configuration holds for them.
public struct RenderingSettings: Codable, Sendable, Equatable, CheckedSettings {
    public var redact: Redaction = .never
    /// Seconds for which the place of a person stays covered after the network lost them.
    public var redactHold: Double = 1
    public var boxes = true
    public var masks = true
    public var skeletons = true
    public var labels = true

    public init() {}

    enum CodingKeys: String, CodingKey {
        case redact
        case redactHold = "redact_hold_s"
        case boxes, masks, skeletons, labels
    }

    /// Absent keys have their defaults.
    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        redact = try keys.decodeIfPresent(Redaction.self, forKey: .redact) ?? redact
        redactHold = try keys.decodeIfPresent(Double.self, forKey: .redactHold) ?? redactHold
        boxes = try keys.decodeIfPresent(Bool.self, forKey: .boxes) ?? boxes
        masks = try keys.decodeIfPresent(Bool.self, forKey: .masks) ?? masks
        skeletons = try keys.decodeIfPresent(Bool.self, forKey: .skeletons) ?? skeletons
        labels = try keys.decodeIfPresent(Bool.self, forKey: .labels) ?? labels
    }

    public func problems() -> [SettingProblem] {
        [SettingProblem.outside(0...3600, "redact_hold_s", redactHold, unit: "seconds")].compactMap { $0 }
    }
}
