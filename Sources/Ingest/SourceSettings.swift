public import Scene

/// How a source is read.
public struct SourceSettings: Sendable, Equatable {
    /// The network's input; both sides are multiples of 32.
    public var inputSize: PixelSize
    /// Decoder threads for files; 0 takes one per core. Live streams always decode on one.
    public var threads: Int
    /// Whether frames keep the decoded picture, for drawing.
    public var keepPicture: Bool
    /// Frames per second to deliver at most; nil delivers every frame.
    public var sampleFPS: Double?
    /// Seconds after the stream's first frame; frames before it are left out.
    public var start: Double?
    /// Seconds after the stream's first frame; frames at or after it are left out.
    public var end: Double?
    /// The frame rate of a folder or a pattern of pictures.
    public var picturesFPS: Double
    /// Microseconds since 1970 that stand for the first frame of a file; nil takes the container's creation time, else
    /// 0.
    public var startTimeUTC: Int64?
    /// How cameras and servers are reached; the time limits hold for pipes, too.
    public var connection: ConnectionSettings
    /// How many times a second a web server that answers with a single picture is asked for the next one, which makes it a
    /// live stream; nil takes the picture for a file.
    public var stillFPS: Double?
    /// Whether pictures are brought upright and to square pixels, as a viewer shows them; false takes them as
    /// stored, whatever `StreamInfo` tells.
    public var isUpright = true
    /// Whether who writes into a pipe may take any time.
    public var isPatientWithPipes = false

    public init(
        inputSize: PixelSize, threads: Int = 0, keepPicture: Bool = false, sampleFPS: Double? = nil,
        start: Double? = nil, end: Double? = nil, picturesFPS: Double = 25, startTimeUTC: Int64? = nil,
        connection: ConnectionSettings = ConnectionSettings()
    ) {
        self.inputSize = inputSize
        self.threads = threads
        self.keepPicture = keepPicture
        self.sampleFPS = sampleFPS
        self.start = start
        self.end = end
        self.picturesFPS = picturesFPS
        self.startTimeUTC = startTimeUTC
        self.connection = connection
    }
}

/// How cameras and servers are reached and decoded: what the configuration holds for a camera.
public struct ConnectionSettings: Codable, Sendable, Equatable, CheckedSettings {
    /// Under RTSP, where RTP packets travel.
    public enum Transport: String, Codable, Sendable, CaseIterable {
        case tcp, udp
    }

    /// What decodes.
    public enum Hardware: String, Codable, Sendable, CaseIterable {
        case none, vaapi
    }

    public var transport: Transport = .tcp
    /// Seconds to reach the server and open the stream.
    public var connectTimeout: Double = 10
    /// Seconds to find out what the stream holds.
    public var probeTimeout: Double = 10
    /// Seconds without a packet after which a camera is lost.
    public var readTimeout: Double = 10
    public var hardware: Hardware = .none

    public init() {}

    mutating func waitForYears() { (connectTimeout, probeTimeout, readTimeout) = (1e9, 1e9, 1e9) }

    public func problems() -> [SettingProblem] {
        [
            ("connect_timeout_s", connectTimeout), ("probe_timeout_s", probeTimeout), ("read_timeout_s", readTimeout),
        ].compactMap { key, value in SettingProblem.outside(0.1...600, key, value, unit: "seconds") }
    }

    enum CodingKeys: String, CodingKey {
        case transport
        case connectTimeout = "connect_timeout_s"
        case probeTimeout = "probe_timeout_s"
        case readTimeout = "read_timeout_s"
        case hardware
    }

    /// Absent keys have their defaults.
    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        transport = try keys.decodeIfPresent(Transport.self, forKey: .transport) ?? transport
        connectTimeout = try keys.decodeIfPresent(Double.self, forKey: .connectTimeout) ?? connectTimeout
        probeTimeout = try keys.decodeIfPresent(Double.self, forKey: .probeTimeout) ?? probeTimeout
        readTimeout = try keys.decodeIfPresent(Double.self, forKey: .readTimeout) ?? readTimeout
        hardware = try keys.decodeIfPresent(Hardware.self, forKey: .hardware) ?? hardware
    }
}
