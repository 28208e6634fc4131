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

    /// What happened. Room Events adds cases as it learns to tell more.
    public enum Kind: Sendable {
        case start(TrackReport)
        case update(TrackReport)
        case end(TrackReport, reason: EndReason)
    }
}

/// What a `start`, `update` or `end` line tells of a track.
public struct TrackReport: Sendable {
    public var track: Track
    /// The highest detection score so far, 0...1.
    public var topScore: Float
    /// The frame's size in pixels.
    public var size: PixelSize

    public init(track: Track, topScore: Float, size: PixelSize) {
        self.track = track
        self.topScore = topScore
        self.size = size
    }
}
