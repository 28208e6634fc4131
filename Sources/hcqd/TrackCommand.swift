import ArgumentParser
import Evaluation
import Events
import Foundation
import Pipeline
import Scene
import Tracking

/// `hcqd track`: the tracker on detections from a file.
struct TrackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "track", abstract: "Follow people through detections from a file.",
        discussion: """
            Reads detections and writes tracks as MOTChallenge text. Detections are boxes with scores in MOTChallenge's \
            format (frame,-1,left,top,width,height,score,...), or people with everything that the network said of them, \
            as `hcqd --replay clip.mp4 --export people.jsonl --format people` writes them: then the tracker gives what it \
            gave in that replay. For boxes, frame rate and picture size come from the sequence's seqinfo.ini where there \
            is one; scores are expected in 0...1, for others set confidentScore, weakScore and birthScore.

            Examples:
              hcqd track --detections mot15/KITTI-17/det/det.txt -o tracks.txt
              hcqd track --detections det.txt --fps 25 --size 768x576 --set patience=1
              hcqd track --detections people.jsonl --format people --without joints \\
                --set weights.mask=0.5
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case mot, people }

    @Option(help: "The detections.")
    var detections: String
    @Option(help: "The format of the detections.")
    var format: Format = .mot
    @Option(name: [.short, .long], help: "Where to write the tracks; - is standard output.")
    var output = "-"
    @Option(help: "Frames per second.")
    var fps: Double?
    @Option(help: "Size of the pictures in pixels, as 1920x1080.")
    var size: String?
    @Option(
        help: """
            Fill a track's holes by straight lines if they last no longer than so many seconds; 0 writes only what was \
            found as it happened.
            """)
    var fill = 1.0
    @Option(help: "Take this from people: joints, masks or embeddings; may be given often.")
    var without: [Part] = []
    @Flag(
        inversion: .prefixedNo, help: "Whether people whose box, mask and joints disagree lose score, as in a replay.")
    var veto = true
    @Option(help: "A setting of the tracker, as name=value; may be given often.")
    var set: [String] = []

    enum Part: String, ExpressibleByArgument, CaseIterable { case joints, masks, embeddings }

    func validate() throws {
        if let fps, !(1e-6...1000).contains(fps) {
            throw ValidationError("--fps \(plain(fps)): must be 0.000001...1000.")
        }
        if !(0...86_400).contains(fill) {
            throw ValidationError("--fill \(plain(fill)): must be 0...86400 seconds.")
        }
        _ = (try settings(), try givenSize())
    }

    func run() throws {
        let (settings, givenSize) = (try settings(), try givenSize())
        try reporting {
            let boxes =
                switch format {
                case .mot: try tracks(MOTFile(contentsOf: detections), givenSize: givenSize, settings)
                case .people: tracks(try FramePeople.read(detections).map(prepared), settings)
                }
            let text = boxes.map(\.line).joined()
            if output == "-" {
                signal(SIGPIPE, SIG_IGN)
                guard StandardStream.output.write(text) else {
                    if errno == EPIPE { throw ReplayError.outputClosed }
                    throw ReplayError.cannotWrite(path: "standard output", reason: String(cString: strerror(errno)))
                }
            } else {
                try OutputFile(output).write(text)
            }
        }
    }

    private func givenSize() throws -> PixelSize? {
        guard let size else { return nil }
        let sides = size.split(separator: "x", omittingEmptySubsequences: false).compactMap { Int($0) }
        guard sides.count == 2, sides.allSatisfy({ (1...100_000).contains($0) }) else {
            throw ValidationError("--size '\(size)': must be WIDTHxHEIGHT in pixels, such as 1920x1080.")
        }
        return PixelSize(width: sides[0], height: sides[1])
    }

    private func pictureSize(_ info: MOTSequenceInfo?, _ file: MOTFile) -> PixelSize {
        if let width = info?.width, let height = info?.height { return PixelSize(width: width, height: height) }
        // As wide and high as the detections reach.
        let right = file.boxes.map { $0.left + $0.width }.max() ?? 1920
        let bottom = file.boxes.map { $0.top + $0.height }.max() ?? 1080
        return PixelSize(width: max(1, Int(right.rounded(.up))), height: max(1, Int(bottom.rounded(.up))))
    }

    /// The defaults with what `--set` changes.
    private func settings() throws -> TrackerSettings {
        var settings = format == .mot ? TrackerSettings.boxesOnly : TrackerSettings()
        for assignment in set {
            let parts = assignment.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, let value = settingValue(parts[1]) else {
                throw ValidationError("--set '\(assignment)': must be NAME=VALUE, such as patience=1.")
            }
            guard let isKnown = try? settings.set(parts[0], to: value) else {
                throw ValidationError("--set: '\(parts[1])' is no value for \(parts[0]).")
            }
            if !isKnown { throw ValidationError("--set: there is no setting '\(parts[0])'.") }
        }
        return settings
    }

    /// The frames of a file of boxes, at the frame rate that is given or that its sequence has.
    private func tracks(_ file: MOTFile, givenSize: PixelSize?, _ settings: TrackerSettings) throws -> [MOTBox] {
        var info: MOTSequenceInfo?
        if let path = MOTSequenceInfo.path(near: detections) { info = try MOTSequenceInfo(contentsOf: path) }
        let size = givenSize ?? pictureSize(info, file)
        let fps = fps ?? info?.frameRate ?? 25
        var frames = (0..<(info?.frames ?? file.lastFrame)).map { index in
            let microseconds = Int64((Double(index) / fps * 1e6).rounded())
            return FramePeople(
                frame: index + 1, time: StreamTime(microseconds: microseconds, utcMicroseconds: microseconds),
                size: size, people: [])
        }
        for box in file.boxes where (1...max(1, frames.count)).contains(box.frame) {
            frames[box.frame - 1].people.append(box.person(in: size))
        }
        return tracks(frames, settings)
    }

    /// The people of a replay as its tracker gets them, less what `--without` names.
    private func prepared(_ frame: FramePeople) -> FramePeople {
        var frame = frame
        var settings = EventSettings()
        settings.veto = veto
        frame.people = PersonFilter(settings: settings)(frame.people)
        for index in frame.people.indices {
            if without.contains(.joints) { frame.people[index].keypoints = [] }
            if without.contains(.masks) { frame.people[index].mask = nil }
            if without.contains(.embeddings) { frame.people[index].embedding = [] }
        }
        return frame
    }

    /// Runs the tracker; every box is of a confirmed track in a frame where it was found, or in a filled hole.
    private func tracks(_ frames: [FramePeople], _ settings: TrackerSettings) -> [MOTBox] {
        var tracker = Tracker(camera: CameraID("mot"), firstOrdinal: 1, settings: settings)
        var found: [MOTBox] = []
        for frame in frames {
            tracker.frameAspect = Double(frame.size.width) / Double(frame.size.height)
            for track in tracker.update(with: frame.people, at: frame.time) where track.state == .seen {
                found.append(MOTBox(track, frame: frame.frame, size: frame.size))
            }
        }
        return MOTBox.fillingHoles(found, upTo: Int((fill * framesPerSecond(frames)).rounded()))
    }

    /// The mean over the frames; 25 when there are not enough.
    private func framesPerSecond(_ frames: [FramePeople]) -> Double {
        guard let first = frames.first, let last = frames.last, last.time > first.time else { return 25 }
        return Double(last.frame - first.frame) / last.time.seconds(since: first.time)
    }
}

extension TrackerSettings {
    /// Changes one number by its name, such as `motion.acceleration`.
    /// - Returns: false when there is no such setting.
    mutating func set(_ path: String, to value: NSNumber) throws -> Bool {
        var tree = try JSONSerialization.jsonObject(with: JSONEncoder().encode(self)) as? [String: Any] ?? [:]
        guard assign(value, at: path.split(separator: ".").map(String.init)[...], in: &tree) else { return false }
        self = try JSONDecoder().decode(TrackerSettings.self, from: JSONSerialization.data(withJSONObject: tree))
        return true
    }
}

/// A number or a flag.
private func settingValue(_ text: String) -> NSNumber? {
    if let flag = Bool(text) { return NSNumber(value: flag) }
    return Double(text).map { NSNumber(value: $0) }
}

private func assign(_ value: NSNumber, at path: ArraySlice<String>, in tree: inout [String: Any]) -> Bool {
    guard let name = path.first, let old = tree[name] else { return false }
    if path.count == 1 {
        guard !(old is [String: Any]) else { return false }
        tree[name] = value
        return true
    }
    guard var branch = old as? [String: Any], assign(value, at: path.dropFirst(), in: &branch) else { return false }
    tree[name] = branch
    return true
}
