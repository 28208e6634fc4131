internal import Engine
internal import Events
internal import Foundation
internal import Ingest
internal import Rendering
internal import Scene

/// Takes pictures of a clip or a camera to draw zones on, spread over what it shows in some seconds of looking.
struct StillTaker {
    let location: String
    let camera: CameraID
    let settings: CameraSettings
    let model: ModelSettings
    let rendering: RenderingSettings
    /// Of a detection that counts as a person.
    let leastScore: Float

    /// At most so many are given.
    static let limit = 12

    /// Blocks until the source has been looked at.
    /// - Parameter seconds: For how long.
    /// - Throws: `Secrets.Missing`, `IngestError`, `RenderingError`, `ZoneDeskError`; where people must be covered and no
    ///   network can find them, `ModelMissing` or `EngineError`.
    func take(for seconds: Double) throws -> [ZonePages.Still] {
        let frames = try frames(for: seconds)
        guard let first = frames.first else { throw ZoneDeskError.noPicture(location: redactedURL(location)) }
        // Pictures are also good without the network: nobody is counted then.
        let network = rendering.redact == .always ? try model.load() : try? model.load()
        let workspace = network?.makeWorkspace(
            for: model.inputSize, threads: ProcessInfo.processInfo.activeProcessorCount)
        let easel = StillEasel(rendering, events: settings.events)
        return try frames.map { frame in
            var people: [Person]?
            if let network, let workspace { people = network(frame, using: workspace) }
            let jpeg = try easel.paint(frame, people: people ?? [])
            return ZonePages.Still(
                seconds: frame.time.seconds - first.time.seconds,
                people: people?.count { $0.score >= leastScore }, jpeg: jpeg)
        }
    }

    private func frames(for seconds: Double) throws -> [Frame] {
        let source = try VideoSource(
            try Secrets().expand(location), shownAs: redactedURL(location), camera: camera,
            settings: SourceSettings(
                inputSize: model.inputSize, keepPicture: true, sampleFPS: 4, connection: settings.connection))
        let end = monotonicSeconds() + seconds
        var (kept, step, index) = ([Frame](), 1, 0)
        while monotonicSeconds() < end, let frame = try source.next() {
            if index % step == 0 { kept.append(frame) }
            if kept.count > 2 * Self.limit {
                kept = kept.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
                step *= 2
            }
            index += 1
        }
        let count = min(Self.limit, kept.count)
        return (0..<count).map { kept[$0 * (kept.count - 1) / max(1, count - 1)] }
    }
}

/// Frames without anything drawn on them but what must not be seen.
struct StillEasel {
    private let annotator: Annotator
    private let encoder: PictureEncoder
    private let hidden: [[Point]]

    init(_ rendering: RenderingSettings, events: EventSettings) {
        var settings = rendering
        (settings.boxes, settings.masks, settings.skeletons, settings.labels) = (false, false, false, false)
        annotator = Annotator(settings: settings)
        encoder = PictureEncoder(.jpeg(quality: 92), redaction: rendering.redact)
        hidden = events.zones.filter { $0.purpose == .privacy }.map(\.polygon)
    }

    /// - Parameters:
    ///   - people: everyone found in the frame, for covering them.
    ///   - tracks: those who are followed, also when they were not found.
    /// - Throws: `RenderingError`.
    func paint(_ frame: Frame, people: [Person], tracks: [Track] = []) throws -> Data {
        let overlay = Overlay(tracks: tracks, people: people, hidden: hidden)
        return Data(try encoder.encode(try annotator.draw(overlay, on: frame)))
    }
}
