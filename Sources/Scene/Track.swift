/// The name of a track: its camera and the ordinal that the camera's tracker gave it. Never reused.
public struct TrackID: Hashable, Sendable, CustomStringConvertible {
    public let camera: CameraID
    public let ordinal: UInt64

    public init(camera: CameraID, ordinal: UInt64) {
        self.camera = camera
        self.ordinal = ordinal
    }

    /// As it stands in the event log: `door-000042`.
    public var description: String {
        let digits = String(ordinal)
        return camera.name + "-" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    }
}

/// One person followed across frames.
public struct Track: Sendable {
    /// Where a track is in its life.
    public enum State: Hashable, Sendable {
        /// Confirmed and found in this frame.
        case seen
        /// Confirmed and not found in this frame; `person` holds its predicted box and what was last seen.
        case missed
        /// Over since this update; given exactly once.
        case ended(EndReason)
    }

    public let id: TrackID
    public var state: State
    public var person: Person
    public var firstSeen: StreamTime
    /// When the network last found this person.
    public var lastSeen: StreamTime
    /// The share of the person that is not behind another one, 0...1; nil when it is not known.
    public var visible: Float?
    /// Who stands in front, when somebody does.
    public var occludedBy: TrackID?

    public init(
        id: TrackID, state: State, person: Person, firstSeen: StreamTime, lastSeen: StreamTime, visible: Float? = nil,
        occludedBy: TrackID? = nil
    ) {
        self.id = id
        self.state = state
        self.person = person
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.visible = visible
        self.occludedBy = occludedBy
    }
}

/// Why a track is over; the raw values stand in the event log.
public enum EndReason: String, Hashable, Sendable, CaseIterable {
    case left
    case lost
    case endOfStream = "end_of_stream"
    case shutdown
    case restart
    case discontinuity
    case disabled
}
