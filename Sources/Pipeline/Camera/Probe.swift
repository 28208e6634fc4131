internal import Foundation
internal import Ingest
internal import Scene

/// Looks at a source for a few seconds and says what it sends and what hcqd would do with it.
public struct Probe: CustomStringConvertible {
    public let description: String

    /// Blocks until the source has been looked at.
    /// - Parameters:
    ///   - location: As in a camera's `url`; may hold `${NAME}`.
    ///   - inputSize: Of the network.
    ///   - seconds: For how long frames are read.
    /// - Throws: `Secrets.Missing` or `IngestError`, whose text says what to do.
    public init(_ location: String, model: ModelSettings, camera: CameraSettings?, seconds: Double) throws {
        let began = monotonicSeconds()
        var settings = SourceSettings(
            inputSize: model.inputSize, threads: 1, sampleFPS: camera?.fps,
            connection: camera?.connection ?? ConnectionSettings())
        settings.stillFPS = (camera ?? CameraSettings()).stillFPS
        let source = try VideoSource(
            try Secrets().expand(location), shownAs: redactedURL(location), camera: CameraID("probe"),
            settings: settings)
        let opened = monotonicSeconds()
        var (frames, first, last) = (0, 0.0, 0.0)
        while monotonicSeconds() - opened < seconds, let frame = try source.next() {
            if frames == 0 { first = frame.time.seconds }
            last = frame.time.seconds
            frames += 1
        }
        let measured = frames > 1 && last > first ? Double(frames - 1) / (last - first) : nil
        let lines =
            Self.sent(source.info) + Self.done(source.info, measured: measured, camera: camera) + [
                (
                    "opened in",
                    "\(fixed(opened - began, 1)) s; \(frames) frame\(frames == 1 ? "" : "s") "
                        + "in \(fixed(monotonicSeconds() - opened, 1)) s"
                )
            ]
        let notes = source.warnings.map { ("note", $0.description) }
        description = (lines + notes).map { label, text in
            label + String(repeating: " ", count: max(1, 16 - label.count)) + text
        }.joined(separator: "\n")
    }

    private static func sent(_ info: StreamInfo) -> [(String, String)] {
        let kind = info.isStill ? ", live: a single picture, asked for again and again" : info.isLive ? ", live" : ""
        let codec = info.profile.map { "\(info.codec) (\($0))" } ?? info.codec
        var lines = [
            ("source", "\(info.location), \(info.container)\(kind)"),
            ("video", "\(codec), \(info.pixelFormat), \(info.storedSize.width)x\(info.storedSize.height)"),
            (
                "shown as",
                "\(info.displaySize.width)x\(info.displaySize.height)"
                    + (info.rotation != 0 ? ", turned by \(info.rotation) degrees" : "")
                    + (info.sampleAspectRatio != 1 ? ", pixel aspect \(fixed(info.sampleAspectRatio, 3))" : "")
                    + (info.isInterlaced ? ", interlaced" : "")
            ),
            ("colours", "\(info.colorMatrix), \(info.colorRange) range"),
            (
                "says",
                (info.fps.map { "\(fixed($0, 2)) fps" } ?? "no frame rate")
                    + (info.isStill ? ", as hcqd asks for it (fps, 1 by default, 5 at most)" : "")
                    + (info.duration.map { ", \(fixed($0, 1)) s" } ?? "")
                    + (info.bitRate.map { ", \($0 / 1000) kbit/s" } ?? "")
            ),
        ]
        if !info.otherStreams.isEmpty {
            lines.append(("also", info.otherStreams.joined(separator: ", ") + " (not used)"))
        }
        return lines
    }

    private static func done(_ info: StreamInfo, measured: Double?, camera: CameraSettings?) -> [(String, String)] {
        var lines = [
            ("decoded by", "\(info.decoder), \(info.threads) \(info.threads == 1 ? "thread" : "threads")"),
            (
                "network sees",
                "\(info.contentSize.width)x\(info.contentSize.height) in \(info.inputSize.width)x\(info.inputSize.height)"
            ),
        ]
        if let measured {
            lines.append(
                (
                    "measured",
                    "\(fixed(measured, 2)) fps"
                        + (camera?.fps != nil ? " after fps: \(fixed(camera?.fps ?? 0, 2))" : "")
                ))
        }
        let isSmall = min(info.displaySize.width, info.displaySize.height) < 240
        if isSmall { lines.append(("advice", "choose a larger stream: people will be only a few pixels high")) }
        if max(info.displaySize.width, info.displaySize.height) > 2600 {
            lines.append(
                (
                    "advice",
                    "choose the camera's second stream: decoding this one costs a core, and the network sees less"
                ))
        }
        return lines
    }
}
