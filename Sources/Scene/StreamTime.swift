/// A moment of one stream: what the container said, and the wall-clock time that it stands for.
///
/// Both are integers so that a replay's arithmetic is exact. Rooms after Ingest read time from here and never from a clock.
public struct StreamTime: Hashable, Comparable, Sendable {
    /// Presentation time in microseconds since the stream's first frame; never decreases within a stream's life.
    public let microseconds: Int64
    /// Microseconds since 1970-01-01T00:00:00Z that stand for this moment.
    public let utcMicroseconds: Int64

    public init(microseconds: Int64, utcMicroseconds: Int64) {
        self.microseconds = microseconds
        self.utcMicroseconds = utcMicroseconds
    }

    /// Presentation time in seconds.
    public var seconds: Double { Double(microseconds) / 1_000_000 }

    /// Seconds from `earlier` to this moment; negative when `earlier` is later.
    public func seconds(since earlier: StreamTime) -> Double {
        Double(microseconds - earlier.microseconds) / 1_000_000
    }

    public static func < (a: StreamTime, b: StreamTime) -> Bool { a.microseconds < b.microseconds }
}

/// The name of a camera, as the configuration or the command line gives it.
public struct CameraID: Hashable, Sendable, CustomStringConvertible {
    public let name: String

    public init(_ name: String) { self.name = name }

    public var description: String { name }
}
