public import Events
internal import Glibc
internal import Ingest
public import Scene
public import Tracking

/// What a replay is asked to do.
public struct ReplayOptions: Sendable {
    /// Where the events go.
    public enum Output: Sendable, Equatable {
        /// `DIRECTORY/CAMERA.jsonl`, a new log.
        case directory(String)
        case standardOutput
    }

    /// A file, a folder or a glob of pictures.
    public var clip: String
    public var output: Output
    /// The name that stands in the log; nil takes the clip's file name without its extension.
    public var camera: String?
    /// Where the annotated video goes.
    public var annotate: String?
    public var sampleFPS: Double?
    /// Seconds after the clip's first frame.
    public var start: Double?
    public var end: Double?
    /// Frames per second of a folder of pictures.
    public var picturesFPS: Double?
    /// Microseconds since 1970 that stand for the first frame.
    public var startTimeUTC: Int64?
    /// nil fits the clip, within `bounds`.
    public var inputSize: PixelSize?
    /// Frames in the network at the same time, and cores for each; nil chooses.
    public var workers: Int?
    public var threads: Int?
    public var tracking = TrackerSettings()
    public var events = EventSettings()
    public var redact = false
    /// Whether the best view of every person is written beside the log.
    public var snapshots = false
    /// Tracks or detections for other tools; nil when none are wanted.
    public var export: TrackExport?

    /// The long side of what the network sees of a clip.
    static let bounds = PixelSize(width: 640, height: 640)

    public init(clip: String, output: Output) {
        self.clip = clip
        self.output = output
    }

    /// Where best views go; nil when none are wanted.
    public var pictureDirectory: String? {
        guard snapshots, case .directory(let directory) = output else { return nil }
        return (directory.isEmpty ? "." : directory) + "/" + LogPaths.fileName(CameraID(cameraName))
    }

    /// Files and folders that are written, with the options that name them.
    var outputs: [(option: String, path: String)] {
        var outputs: [(option: String, path: String)] = []
        if case .directory(let directory) = output {
            outputs.append(("--output", EventSink.path(directory, CameraID(cameraName))))
        }
        if let pictureDirectory { outputs.append(("--snapshots", pictureDirectory)) }
        if let annotate { outputs.append(("--annotate", annotate)) }
        if let export { outputs.append(("--export", export.path)) }
        return outputs
    }

    /// The camera's name in the log: that of the clip's file or folder, or of the folder of a glob; only so much of it
    /// that files can be named after it, in which a letter may take nine bytes.
    public var cameraName: String {
        if let camera { return camera }
        var name = clipName
        while LogPaths.fileName(CameraID(name)).utf8.count > 200 { name.removeLast() }
        return name
    }

    private var clipName: String {
        let parts = clip.split(separator: "/").map(String.init)
        let isGlob = parts.last?.contains { "*?[".contains($0) } ?? false
        let isPattern = isGlob && urlScheme(of: clip) == nil && access(clip, F_OK) != 0
        let last = (isPattern ? parts.dropLast() : parts[...]).last { $0 != "." && $0 != ".." } ?? "clip"
        let name = last.hasPrefix("file:") ? String(last.dropFirst(5)) : last
        if isPattern { return name }
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
        return String(name[..<dot])
    }
}

/// Why a replay gave up.
public enum ReplayError: Error, Equatable, CustomStringConvertible {
    /// What the option names would be written over the clip or another output: `what`.
    case wouldOverwrite(option: String, path: String, what: String)
    case cannotWrite(path: String, reason: String)
    /// Nobody reads the standard output any more.
    case outputClosed

    public var description: String {
        switch self {
        case .wouldOverwrite(let option, let path, let what):
            "\(option) would write \(path) over \(what); name another place"
        case .cannotWrite(let path, let reason): "\(path): cannot be written: \(reason)"
        case .outputClosed: "standard output was closed before the end"
        }
    }
}

/// The smallest input, in multiples of 32, that shows a frame as large as fits into `bounds`.
public func fittingInputSize(for frame: PixelSize, within bounds: PixelSize) -> PixelSize {
    let (width, height) = (Double(max(frame.width, 1)), Double(max(frame.height, 1)))
    let scale = min(Double(bounds.width) / width, Double(bounds.height) / height)
    func side(_ length: Double) -> Int { max(32, Int(((length * scale).rounded() / 32).rounded(.up)) * 32) }
    return PixelSize(width: side(width), height: side(height))
}

extension TrackerSettings {
    /// Sets the least score of a person who is followed; weaker detections still continue a track.
    public mutating func follow(from score: Float) {
        birthScore = score
        confidentScore = min(confidentScore, score)
        weakScore = min(weakScore, score)
    }
}
