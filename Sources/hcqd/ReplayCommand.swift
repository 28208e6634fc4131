import ArgumentParser
internal import Engine
internal import Evaluation
internal import Events
internal import Foundation
internal import Pipeline
internal import Scene

/// `hcqd --replay CLIP`
struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Run a clip through the network and write down what people did.",
        usage: "hcqd --replay CLIP [options]",
        discussion: """
            The same clip with the same model gives the same log, byte for byte.

            Examples:
              hcqd --replay clip.mp4
              hcqd --replay clip.mp4 --annotate seen.mp4 --threshold 0.6
              hcqd --replay clip.mp4 --output - | jq 'select(.type == "start")'
              hcqd --replay 'frames/*.jpg' --fps 12.5 --start-time 2026-01-31T08:00:00Z
              hcqd --replay clip.mp4 --config hcqd.yaml --camera door
              ssh yard cat clip.ts | hcqd --replay -
            """)

    @Option(
        help: ArgumentHelp(
            "The clip: any file or pipe that FFmpeg opens (- is standard input), a folder or a glob of pictures.",
            valueName: "clip"),
        completion: .file())
    var replay: String?

    @Option(help: "The network's weights.", completion: .file(extensions: ["safetensors"]))
    var model: String?

    @Option(help: "Directory for the event log, or - for standard output.", completion: .directory)
    var output = "hcqd-output"

    @Option(
        help: ArgumentHelp("Write a video (MP4) that shows what was seen.", valueName: "out.mp4"), completion: .file())
    var annotate: String?

    @Option(help: "Frames per second to look at; all by default.")
    var sampleFps: Double?

    @Option(help: "Begin at this second of the clip.")
    var start: Double?

    @Option(help: "End before this second of the clip.")
    var end: Double?

    @Option(help: "Least detection score of a person who is followed, 0...1.")
    var threshold: Float?

    @Option(help: "Frames per second of a folder of pictures. (default: 25)")
    var fps: Double?

    @Option(help: "UTC time of the first frame, such as 2026-01-31T08:00:00Z.")
    var startTime: String?

    @Option(help: "The camera's name in the log; by default the clip's, or the folder's of a glob.")
    var camera: String?

    @Option(
        help: "Take the tracker's settings, and with --camera its zones and lines, from this file.", completion: .file()
    )
    var config: String?

    @Option(
        help: ArgumentHelp(
            "What the network sees: \(InputSize.rule); fits the clip by default.",
            valueName: "WxH"))
    var input: InputSize?

    @Option(help: "Frames in the network at the same time.")
    var workers: Int?

    @Option(help: "Cores that work on one frame.")
    var threads: Int?

    @Option(
        help: ArgumentHelp(
            "Write what was found for other tools, in the format that --format names.", valueName: "file"))
    var export: String?

    @Option(
        help: """
            What --export writes: tracks as coco (results JSON), mot or mots (MOTChallenge text), or people: the network's \
            answers before tracking, for `hcqd track`.
            """)
    var format: Export = .mot

    enum Export: String, ExpressibleByArgument, CaseIterable { case coco, mot, mots, people }

    @Option(
        help: "In a mot export, fill a track's holes by straight lines if they last no longer than so many seconds.")
    var fill = 0.0

    @Flag(help: "Write the best view of every person as a picture, into a directory beside the log.")
    var snapshots = false

    @Flag(help: "Cover people in the video and in pictures.")
    var redact = false

    @Flag(help: "No summary at the end.")
    var quiet = false

    func validate() throws {
        guard let replay, !replay.isEmpty else {
            throw ValidationError("Name a clip with --replay, or a command; `hcqd --help` lists them.")
        }
        for (name, value) in [
            ("model", model), ("output", output), ("annotate", annotate), ("export", export), ("camera", camera),
            ("config", config),
        ] where value?.isEmpty == true { throw ValidationError("--\(name): is empty; name something or leave it out.") }
        for (name, value) in [("annotate", annotate), ("export", export)] where value == "-" {
            throw ValidationError("--\(name) -: must be a file; on standard output there is only the log (--output -).")
        }
        // Rates and times from a picture in 11 days to a clip of 31 years; what is no number lies outside, too.
        let frameRates = 1e-6...1000, seconds = 0...1e9
        for (name, value, range) in [
            ("sample-fps", sampleFps, frameRates), ("fps", fps, frameRates), ("start", start, seconds),
            ("end", end, seconds), ("fill", fill, 0...86_400),
        ] {
            guard let value, !range.contains(value) else { continue }
            throw ValidationError(
                "--\(name) \(plain(value)): must be \(plain(range.lowerBound))...\(plain(range.upperBound)).")
        }
        if let end, end <= (start ?? 0) { throw ValidationError("--end \(plain(end)): must be after the start.") }
        if let threshold, !(0...1).contains(threshold) {
            throw ValidationError("--threshold \(threshold): must be 0...1.")
        }
        for (name, value) in [("workers", workers), ("threads", threads)] {
            if let value, !(1...256).contains(value) { throw ValidationError("--\(name) \(value): must be 1...256.") }
        }
        if let startTime, Timestamp.utcMicroseconds(startTime) == nil {
            throw ValidationError("--start-time '\(startTime)': must be a time such as 2026-01-31T08:00:00Z.")
        }
        if fill > 0, format != .mot { throw ValidationError("--fill goes with --format mot.") }
        if redact, annotate == nil, !snapshots { throw ValidationError("--redact needs --annotate or --snapshots.") }
        if snapshots, output == "-" {
            throw ValidationError("--snapshots needs a directory; --output is standard output.")
        }
    }

    func run() throws {
        try reporting {
            let configuration = try config.map { try Configuration(contentsOf: $0) }
            try ReplayRun(try options(configuration), model: modelSettings(configuration), isQuiet: quiet).run()
        }
    }

    private func options(_ configuration: Configuration?) throws -> ReplayOptions {
        var options = ReplayOptions(
            clip: replay == "-" ? "/dev/stdin" : replay ?? "",
            output: output == "-" ? .standardOutput : .directory(output))
        options.camera = camera
        options.annotate = annotate
        options.sampleFPS = sampleFps
        (options.start, options.end) = (start, end)
        options.picturesFPS = fps
        options.startTimeUTC = startTime.flatMap { Timestamp.utcMicroseconds($0) }
        options.inputSize = input?.pixels
        (options.workers, options.threads) = (workers, threads)
        options.redact = redact
        options.snapshots = snapshots
        options.export = export.map { TrackExport(path: $0, content: exported) }
        options.tracking = configuration?.tracking ?? options.tracking
        if let threshold { options.tracking.follow(from: threshold) }
        if let configuration {
            if let camera {
                guard let settings = configuration.cameras[camera] else {
                    let known = configuration.cameras.keys.sorted().joined(separator: ", ")
                    throw ValidationError(
                        "--camera \(camera): the configuration knows \(known.isEmpty ? "no camera" : known).")
                }
                options.events = settings.events
            }
        }
        return options
    }

    private var exported: TrackExport.Content {
        if fill > 0 { return .filledBoxes(seconds: fill) }
        return ExportFormat(rawValue: format.rawValue).map { .tracks($0) } ?? .people
    }

    private func modelSettings(_ configuration: Configuration?) -> ModelSettings {
        var settings = configuration?.model ?? ModelSettings()
        if let model { settings.path = model }
        if let threshold { settings.people.scoreThreshold = min(settings.people.scoreThreshold, threshold) }
        return settings
    }
}
