public import Scene

/// What a source is, as its container and codec tell.
public struct StreamInfo: Sendable, Equatable {
    /// Where it comes from, without credentials.
    public var location: String
    /// Whether frames come in real time and are lost when nobody reads them.
    public var isLive: Bool
    /// Whether a web server gives one picture at a time and is asked for the next one `fps` times a second.
    public var isStill = false
    /// libavformat's short name: `mov,mp4,...`, `rtsp`, `pictures` for a folder.
    public var container: String
    /// libavcodec's short name: `h264`.
    public var codec: String
    /// The codec's profile, when it has one: `High`.
    public var profile: String?
    /// libavutil's name of the pixel format: `yuv420p`.
    public var pixelFormat: String
    /// As stored: before sample aspect ratio and rotation.
    public var storedSize: PixelSize
    /// Upright and with square pixels.
    public var displaySize: PixelSize
    /// Width of a stored pixel over its height; 1 is square.
    public var sampleAspectRatio: Double
    /// Clockwise degrees that bring the stored picture upright: 0, 90, 180, 270.
    public var rotation: Int
    /// Whether the stored picture is also mirrored left to right.
    public var isMirrored: Bool
    /// Whether the codec declares fields instead of whole pictures.
    public var isInterlaced: Bool
    /// Names of the colour matrix and range that scaling uses.
    public var colorMatrix: String
    public var colorRange: String
    /// The average frame rate; nil when the stream does not tell.
    public var fps: Double?
    /// Seconds; nil for live streams and when the container does not tell.
    public var duration: Double?
    /// Frames that `next()` will deliver, estimated; nil when that is unknown.
    public var frameCount: Int?
    /// Bits per second of the video; nil when unknown.
    public var bitRate: Int?
    /// Microseconds since 1970 of the first frame of a file; nil for live streams.
    public var startTimeUTC: Int64?
    /// Other streams of the container: `audio aac`.
    public var otherStreams: [String]
    /// What decodes: `h264`, `h264 (vaapi)`.
    public var decoder: String
    /// Decoder threads.
    public var threads: Int
    /// The size that the network sees, and the part of it that holds the picture.
    public var inputSize: PixelSize
    public var contentSize: PixelSize
}

/// What became of a stream's pictures.
public struct IngestStatistics: Sendable, Equatable {
    /// Pictures that were decoded and not dropped.
    public var decoded = 0
    /// Frames that `next()` gave.
    public var delivered = 0
    /// Decoded pictures with damage in them.
    public var damaged = 0
    /// Pictures left out after damage.
    public var dropped = 0
    /// Packets, or files of a folder, that could not be decoded.
    public var decodeErrors = 0
    /// Places where pictures are missing from a live stream.
    public var gaps = 0
    public var keyFrames = 0
    /// Pictures from the last key frame but one to the last; nil before the second.
    public var keyFrameInterval: Int?
    private var lastKeyFrame: Int?

    public init() {}

    mutating func count(isKey: Bool) {
        if isKey {
            keyFrameInterval = lastKeyFrame.map { decoded - $0 }
            lastKeyFrame = decoded
            keyFrames += 1
        }
        decoded += 1
    }
}
