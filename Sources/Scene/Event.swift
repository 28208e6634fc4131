/// Something that happened in a scene: a value; its JSON form is `EventRecord` in Events.
public struct Event: Sendable {
    public let camera: CameraID
    public let time: StreamTime
    public let kind: Kind

    public init(camera: CameraID, time: StreamTime, kind: Kind) {
        self.camera = camera
        self.time = time
        self.kind = kind
    }

    /// What happened.
    public enum Kind: Sendable {
        /// A person's track is confirmed and worth telling.
        case start(TrackReport)
        /// It changed in a way worth telling, or a while passed; `TrackReport.cause` says which.
        case update(TrackReport)
        /// It is over: exactly one for every `start`.
        case end(TrackReport, reason: EndReason)
        case zoneEntered(TrackID, zone: String)
        /// `dwell` is the time inside, in seconds.
        case zoneLeft(TrackID, zone: String, dwell: Double)
        /// Said once per stay, when `dwell` seconds inside reach the zone's limit.
        case loitering(TrackID, zone: String, dwell: Double)
        case lineCrossed(TrackID, line: String, direction: CrossingDirection)
        /// The number of people in a zone changed to `count`.
        case occupancy(zone: String, count: Int)
        case posture(TrackID, Posture, since: StreamTime)
        case camera(CameraChange)
        case stats(CameraStatistics)
        /// Lines that never reached the disk.
        case eventsDropped(EventLoss)
    }
}

/// To which side of the line A -> B a person went, as seen in the picture when looking from A to B.
///
/// With A = (0.5, 1) and B = (0.5, 0), going from x < 0.5 to x > 0.5 is `right`.
public enum CrossingDirection: String, Hashable, Sendable, CaseIterable {
    case left
    case right
}

/// How a person holds the body; the raw values stand in the event log.
public enum Posture: String, Hashable, Sendable, CaseIterable {
    case upright
    case crouched
    case sitting
    case lying
    case fallen
    case handsUp = "hands_up"
    case reaching
}

/// Where a person stands in the picture, and which part of the person said so.
public struct GroundPoint: Hashable, Sendable {
    public enum Source: String, Hashable, Sendable, CaseIterable {
        case ankles
        case mask
        case box
    }

    public var point: Point
    public var source: Source

    public init(point: Point, source: Source) {
        self.point = point
        self.source = source
    }
}

/// A moment of a track's way over the ground.
public struct PathPoint: Hashable, Sendable {
    public var point: Point
    /// Presentation time in microseconds since the stream's first frame.
    public var microseconds: Int64

    public init(point: Point, microseconds: Int64) {
        self.point = point
        self.microseconds = microseconds
    }
}

/// Why an `update` was written; the raw values stand in the event log.
public enum UpdateCause: String, Hashable, Sendable, CaseIterable {
    case zones
    case posture
    case stationary
    case moving
    case occluded
    case visible
    /// Nothing changed, but the last line is a while ago.
    case interval
}

/// What a `start`, `update` or `end` line tells of a track.
public struct TrackReport: Sendable {
    public var track: Track
    /// The highest detection score so far, 0...1.
    public var topScore: Float
    /// The frame's size in pixels.
    public var size: PixelSize
    public var ground: GroundPoint?
    /// Names of the zones that the person is in now.
    public var zones: [String]
    /// Names of the zones that the person ever entered, in order of first entry.
    public var enteredZones: [String]
    public var stationary: Bool
    /// nil when the joints that would tell were not seen.
    public var posture: Posture?
    public var cause: UpdateCause?
    /// The way over the ground since the start, thinned.
    public var path: [PathPoint]
    /// File name of the best view of this person, when one was written.
    public var snapshot: String?

    public init(
        track: Track, topScore: Float, size: PixelSize, ground: GroundPoint? = nil, zones: [String] = [],
        enteredZones: [String] = [], stationary: Bool = false, posture: Posture? = nil, cause: UpdateCause? = nil,
        path: [PathPoint] = [], snapshot: String? = nil
    ) {
        self.track = track
        self.topScore = topScore
        self.size = size
        self.ground = ground
        self.zones = zones
        self.enteredZones = enteredZones
        self.stationary = stationary
        self.posture = posture
        self.cause = cause
        self.path = path
        self.snapshot = snapshot
    }
}
