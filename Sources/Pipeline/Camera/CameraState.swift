public import Scene

/// Where a camera's connection is in its life.
public enum CameraState: Sendable, Equatable {
    /// `attempt` counts from 1 since the camera was last good.
    case connecting(attempt: Int)
    /// Frames come. `since` is in microseconds since 1970.
    case online(since: Int64, size: PixelSize)
    /// The next attempt comes in `seconds`.
    case waiting(reason: String, attempt: Int, seconds: Double)
    case stopped

    /// One word for status pages and metrics.
    public var name: String {
        switch self {
        case .connecting: "connecting"
        case .online: "online"
        case .waiting: "offline"
        case .stopped: "stopped"
        }
    }
}

/// Why a frame did not reach the network; the raw values stand in the log and in the metrics.
public enum SkipReason: String, CaseIterable, Sendable {
    /// The engine was busy and a newer frame came.
    case busy
    /// Nothing moved.
    case motion
    /// It, or a picture that it builds on, was damaged or lost on its way; so until the next key frame.
    case damaged
    /// The camera was switched off or went away before the frame's turn.
    case closed
}
