public import Scene

/// What a camera's events are made of: thresholds, places, postures.
///
/// Keys of the configuration are the coding keys; a missing key has its default. `validate()` checks ranges and places.
public struct EventSettings: Codable, Sendable, Equatable {
    /// A track is told once its best score reached this. 0...1, default 0.
    public var minScore: Float = 0
    /// A track is told once its box was this high, as a share of the frame's height. 0...1, default 0.
    public var minHeight: Float = 0
    /// A track is told once it has been seen this long. Seconds, 0...3600, default 0.
    public var minDuration: Double = 0
    /// A track that is still there gets an `update` after this long without one. Seconds, 1...3600, default 60.
    public var updateInterval: Double = 60
    /// Joints below this confidence count as not seen. 0...1, default 0.5.
    public var jointConfidence: Float = 0.5
    /// A person within `stationaryRadius` heights for this long is stationary. Seconds, 1...3600, default 10.
    public var stationaryAfter: Double = 10
    /// As a share of the person's height. 0.01...1, default 0.1.
    public var stationaryRadius: Float = 0.1
    /// Whether a person whose box, mask and joints disagree loses score before tracking. Default true.
    public var veto: Bool = true
    /// Whether a view that is covered or moved is told. Default true.
    public var viewWatch: Bool = true
    public var posture = PostureSettings()
    public var zones: [ZoneSettings] = []
    public var lines: [LineSettings] = []

    public init() {}

    public enum CodingKeys: String, CodingKey, CaseIterable {
        case minScore = "min_score"
        case minHeight = "min_height"
        case minDuration = "min_duration_s"
        case updateInterval = "update_interval_s"
        case jointConfidence = "joint_confidence"
        case stationaryAfter = "stationary_after_s"
        case stationaryRadius = "stationary_radius"
        case viewWatch = "view_watch"
        case veto, posture, zones, lines
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        minScore = try values.decodeIfPresent(Float.self, forKey: .minScore) ?? minScore
        minHeight = try values.decodeIfPresent(Float.self, forKey: .minHeight) ?? minHeight
        minDuration = try values.decodeIfPresent(Double.self, forKey: .minDuration) ?? minDuration
        updateInterval = try values.decodeIfPresent(Double.self, forKey: .updateInterval) ?? updateInterval
        jointConfidence = try values.decodeIfPresent(Float.self, forKey: .jointConfidence) ?? jointConfidence
        stationaryAfter = try values.decodeIfPresent(Double.self, forKey: .stationaryAfter) ?? stationaryAfter
        stationaryRadius = try values.decodeIfPresent(Float.self, forKey: .stationaryRadius) ?? stationaryRadius
        veto = try values.decodeIfPresent(Bool.self, forKey: .veto) ?? veto
        viewWatch = try values.decodeIfPresent(Bool.self, forKey: .viewWatch) ?? viewWatch
        posture = try values.decodeIfPresent(PostureSettings.self, forKey: .posture) ?? posture
        zones = try values.decodeIfPresent([ZoneSettings].self, forKey: .zones) ?? zones
        lines = try values.decodeIfPresent([LineSettings].self, forKey: .lines) ?? lines
    }
}

/// When a posture is said.
public struct PostureSettings: Codable, Sendable, Equatable {
    /// Default true.
    public var enabled: Bool = true
    /// A posture is said when it held this long. Seconds, 0...60, default 1.
    public var hold: Double = 1
    /// `fallen` is said when it held this long. Seconds, 0...600, default 3.
    public var fallenHold: Double = 3

    public init() {}

    public enum CodingKeys: String, CodingKey, CaseIterable {
        case enabled
        case hold = "hold_s"
        case fallenHold = "fallen_hold_s"
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        enabled = try values.decodeIfPresent(Bool.self, forKey: .enabled) ?? enabled
        hold = try values.decodeIfPresent(Double.self, forKey: .hold) ?? hold
        fallenHold = try values.decodeIfPresent(Double.self, forKey: .fallenHold) ?? fallenHold
    }
}

/// A place in the picture.
public struct ZoneSettings: Codable, Sendable, Equatable {
    /// What the place is for.
    public enum Purpose: String, Codable, Hashable, Sendable, CaseIterable {
        /// Who enters and leaves is told, and how many are in.
        case presence
        /// As `presence`; and only people who were in a required zone are told at all.
        case required
        /// Detections here are taken for mistakes: no track starts or goes on from them.
        case ignored
        /// As `ignored`; and room Rendering leaves the place black in every picture.
        case privacy
    }

    /// The part of a person that decides.
    public enum Anchor: String, Codable, Hashable, Sendable, CaseIterable {
        /// The ground point.
        case feet
        /// The share of the mask inside reaches `minOverlap`; without a mask, the box's share.
        case mask
        /// The share of the box inside reaches `minOverlap`.
        case box
    }

    public var name: String
    /// At least three corners in 0...1 of the frame, y down, not crossing itself.
    public var polygon: [Point]
    /// Default `presence`.
    public var purpose: Purpose = .presence
    /// Default `feet`.
    public var anchor: Anchor = .feet
    /// For `mask` and `box`. Over 0, up to 1, default 0.5.
    public var minOverlap: Float = 0.5
    /// A change holds for at least so many frames before it is told. 1...100, default 2.
    public var inertiaFrames: Int = 2
    /// ... and for at least so long. Seconds, 0...60, default 0.2.
    public var inertia: Double = 0.2
    /// Who stays this long loiters. Seconds, over 0 to 86400; nil (the default) is never.
    public var loiteringAfter: Double?
    /// Whether a wrist in here while the feet are outside is told as the posture `reaching`; for zones drawn over a
    /// counter or a shelf, not over a floor. Default false.
    public var reaching: Bool = false
    /// Only people with at least this score count here. 0...1, default 0.
    public var minScore: Float = 0
    /// Only people at least this high count here, as a share of the frame's height. 0...1, default 0.
    public var minHeight: Float = 0

    public init(name: String, polygon: [Point]) {
        self.name = name
        self.polygon = polygon
    }

    public enum CodingKeys: String, CodingKey, CaseIterable {
        case name, polygon, purpose, anchor, reaching
        case minOverlap = "min_overlap"
        case inertiaFrames = "inertia_frames"
        case inertia = "inertia_s"
        case loiteringAfter = "loitering_after_s"
        case minScore = "min_score"
        case minHeight = "min_height"
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.decode(String.self, forKey: .name)
        polygon = try values.decode([Corner].self, forKey: .polygon).map(\.point)
        purpose = try values.decodeIfPresent(Purpose.self, forKey: .purpose) ?? purpose
        anchor = try values.decodeIfPresent(Anchor.self, forKey: .anchor) ?? anchor
        minOverlap = try values.decodeIfPresent(Float.self, forKey: .minOverlap) ?? minOverlap
        inertiaFrames = try values.decodeIfPresent(Int.self, forKey: .inertiaFrames) ?? inertiaFrames
        inertia = try values.decodeIfPresent(Double.self, forKey: .inertia) ?? inertia
        loiteringAfter = try values.decodeIfPresent(Double.self, forKey: .loiteringAfter)
        reaching = try values.decodeIfPresent(Bool.self, forKey: .reaching) ?? reaching
        minScore = try values.decodeIfPresent(Float.self, forKey: .minScore) ?? minScore
        minHeight = try values.decodeIfPresent(Float.self, forKey: .minHeight) ?? minHeight
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(name, forKey: .name)
        try values.encode(polygon.map(Corner.init), forKey: .polygon)
        try values.encode(purpose, forKey: .purpose)
        try values.encode(anchor, forKey: .anchor)
        try values.encode(minOverlap, forKey: .minOverlap)
        try values.encode(inertiaFrames, forKey: .inertiaFrames)
        try values.encode(inertia, forKey: .inertia)
        try values.encodeIfPresent(loiteringAfter, forKey: .loiteringAfter)
        try values.encode(reaching, forKey: .reaching)
        try values.encode(minScore, forKey: .minScore)
        try values.encode(minHeight, forKey: .minHeight)
    }
}

/// A line from `a` to `b`; who crosses it goes to its left or right as seen when looking from `a` to `b`.
public struct LineSettings: Codable, Sendable, Equatable {
    /// What must be on the other side.
    public enum Anchor: String, Codable, Hashable, Sendable, CaseIterable {
        /// The ground point.
        case ground
        /// Both ankles where they are seen, else the ground point.
        case bothFeet = "both_feet"
    }

    public var name: String
    /// In 0...1 of the frame.
    public var a: Point
    public var b: Point
    /// Default `ground`.
    public var anchor: Anchor = .ground
    /// Who is nearer to the line than this, or than a tenth of their own height, has not changed sides yet; as a share of
    /// the frame's height. 0...0.5, default 0.01.
    public var deadBand: Float = 0.01
    /// The other side holds for at least so many frames, or until the person is gone. 1...100, default 2.
    public var inertiaFrames: Int = 2
    /// Only people at least this high count here, as a share of the frame's height. 0...1, default 0.
    public var minHeight: Float = 0

    public init(name: String, a: Point, b: Point) {
        self.name = name
        self.a = a
        self.b = b
    }

    public enum CodingKeys: String, CodingKey, CaseIterable {
        case name, a, b, anchor
        case deadBand = "dead_band"
        case inertiaFrames = "inertia_frames"
        case minHeight = "min_height"
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.decode(String.self, forKey: .name)
        a = try values.decode(Corner.self, forKey: .a).point
        b = try values.decode(Corner.self, forKey: .b).point
        anchor = try values.decodeIfPresent(Anchor.self, forKey: .anchor) ?? anchor
        deadBand = try values.decodeIfPresent(Float.self, forKey: .deadBand) ?? deadBand
        inertiaFrames = try values.decodeIfPresent(Int.self, forKey: .inertiaFrames) ?? inertiaFrames
        minHeight = try values.decodeIfPresent(Float.self, forKey: .minHeight) ?? minHeight
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(name, forKey: .name)
        try values.encode(Corner(a), forKey: .a)
        try values.encode(Corner(b), forKey: .b)
        try values.encode(anchor, forKey: .anchor)
        try values.encode(deadBand, forKey: .deadBand)
        try values.encode(inertiaFrames, forKey: .inertiaFrames)
        try values.encode(minHeight, forKey: .minHeight)
    }
}

/// A point as the configuration spells it: `[x, y]`.
private struct Corner: Codable {
    let point: Point

    init(_ point: Point) { self.point = point }

    init(from decoder: any Decoder) throws {
        var values = try decoder.unkeyedContainer()
        point = Point(x: try values.decode(Float.self), y: try values.decode(Float.self))
        guard values.isAtEnd else {
            throw DecodingError.dataCorruptedError(in: values, debugDescription: "a point is two numbers: [x, y]")
        }
    }

    func encode(to encoder: any Encoder) throws {
        var values = encoder.unkeyedContainer()
        try values.encode(point.x)
        try values.encode(point.y)
    }
}
