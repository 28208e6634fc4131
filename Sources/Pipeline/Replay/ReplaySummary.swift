public import Scene

/// What a replay did; `description` is what a person reads at the end.
public struct ReplaySummary: Sendable, CustomStringConvertible {
    public enum Stage: Int, CaseIterable, Sendable {
        case decode, network, track, write, draw

        var label: String {
            switch self {
            case .decode: "decode and scale"
            case .network: "network"
            case .track: "track and events"
            case .write: "write the log"
            case .draw: "draw and encode"
            }
        }
    }

    public var clip = ""
    public var size = PixelSize(width: 0, height: 0)
    public var inputSize = PixelSize(width: 0, height: 0)
    public var frames = 0
    /// People that were followed: `start` lines.
    public var peopleSeen = 0
    /// People that were followed and found, in all frames together; and in one frame at most.
    public var sightings = 0
    public var mostPeople = 0
    public var events = 0
    /// Wall-clock seconds from the first frame to the last line.
    public var seconds = 0.0
    /// Busy seconds by stage; stages overlap.
    public var stages: [Stage: Double] = [:]
    public var warnings: [String] = []
    /// Where the log and the video are; nil when there is none on disk.
    public var log: String?
    public var video: String?
    /// Whether it was stopped before the end of the clip.
    public var wasInterrupted = false

    public init() {}

    public var description: String {
        let fps = seconds > 0 ? Double(frames) / seconds : 0
        let mean = frames > 0 ? Double(sightings) / Double(frames) : 0
        let isTooShort = frames == 1 && peopleSeen == 0
        let hint = isTooShort ? " (who is in a single picture: --export FILE --format people)" : ""
        var lines = [
            "\(clip)\(wasInterrupted ? " (stopped early)" : "")",
            "  frames   \(frames) of \(size.width)x\(size.height) (network input \(inputSize.width)x\(inputSize.height))"
                + " in \(fixed(seconds, 1)) s: \(fixed(fps, 1)) fps",
            "  people   \(peopleSeen) followed; \(fixed(mean, 1)) in a frame on average, \(mostPeople) at most\(hint)",
        ]
        for stage in Stage.allCases {
            guard let busy = stages[stage], busy > 0 else { continue }
            let label = stage.label + String(repeating: " ", count: 18 - stage.label.count)
            let perFrame = frames > 0 ? busy / Double(frames) * 1000 : 0
            lines.append("  \(label) \(fixed(busy, 1)) s, \(fixed(perFrame, 1)) ms a frame")
        }
        lines.append("  events   \(events)" + (log.map { " in \($0)" } ?? ""))
        if let video { lines.append("  video    \(video)") }
        return lines.joined(separator: "\n")
    }
}
