internal import Dispatch
internal import Events
internal import Foundation
internal import Rendering
internal import Scene

/// Keeps the best view of every person in sight and writes it as a JPEG when the person is gone.
///
/// Asked from the camera's story queue; draws and writes on a queue of its own. A replay waits for that queue, so that two
/// replays keep the same views; a live camera passes over frames while it is behind.
final class BestViewKeeper: @unchecked Sendable {
    private let directory: String
    private let waits: Bool
    private let redaction: Redaction
    private let complain: @Sendable (String) -> Void
    private let queue: DispatchQueue
    private let room = DispatchSemaphore(value: 4)
    // On the story queue only.
    private var views: BestViews
    // On `queue` only.
    private let annotator: Annotator
    /// Privacy zones.
    private let hidden: [[Point]]
    private let encoder: PictureEncoder
    private var pictures: [TrackID: [UInt8]] = [:]

    /// - Parameters:
    ///   - directory: of this camera's pictures; made when the first is written.
    ///   - isRedacted: whether people are covered by their silhouettes.
    ///   - waits: true for a replay.
    ///   - complain: told of pictures that could not be made.
    init(
        directory: String, isRedacted: Bool, events: EventSettings, waits: Bool,
        complain: @escaping @Sendable (String) -> Void
    ) {
        (self.directory, self.waits, self.complain) = (directory, waits, complain)
        redaction = isRedacted ? .always : .never
        queue = DispatchQueue(label: "hcqd.views")
        views = BestViews(jointConfidence: events.jointConfidence)
        var settings = RenderingSettings()
        (settings.boxes, settings.masks, settings.skeletons, settings.labels) = (false, false, false, false)
        settings.redact = redaction
        annotator = Annotator(settings: settings)
        encoder = PictureEncoder(.jpeg(quality: 85), redaction: redaction)
        hidden = events.zones.filter { $0.purpose == .privacy }.map(\.polygon)
    }

    /// Takes the next frame.
    func note(_ tracks: [Track], people: [Person], in frame: Frame) {
        guard !tracks.isEmpty, room.wait(timeout: waits ? .distantFuture : .now()) == .success else { return }
        let better = views.consider(tracks, in: frame)
        // Covers are held over frames in which detection flickers, so they must see every frame.
        guard !better.isEmpty || redaction == .always else {
            room.signal()
            return
        }
        queue.async { [self] in
            defer { room.signal() }
            draw(tracks, people, better, frame)
        }
    }

    /// The same events; an `end` names the picture of its person.
    func attach(to events: [Event]) -> [Event] {
        events.map { event in
            guard case .end(var report, let reason) = event.kind, views.forget(report.track.id) else { return event }
            let id = report.track.id
            let name = LogPaths.fileName(CameraID(id.description)) + ".jpg"
            report.snapshot = name
            queue.async { [self] in write(id, name) }
            return Event(camera: event.camera, time: event.time, kind: .end(report, reason: reason))
        }
    }

    /// Waits until every picture that was named is written.
    func settle() { queue.sync {} }

    private func draw(_ tracks: [Track], _ people: [Person], _ better: [TrackID], _ frame: Frame) {
        do {
            let overlay = Overlay(tracks: tracks, people: people, hidden: hidden)
            let canvas = try annotator.draw(overlay, on: frame)
            for track in tracks where better.contains(track.id) {
                pictures[track.id] = try encoder.encode(canvas.cropped(to: track.person.box))
            }
        } catch {
            complain("best views: \(error)")
        }
    }

    private func write(_ id: TrackID, _ name: String) {
        guard let bytes = pictures.removeValue(forKey: id) else { return }
        let path = directory + "/" + name
        let (files, mode) = (FileManager.default, FileAttributeKey.posixPermissions)
        do {
            try files.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [mode: 0o750])
        } catch {
            return complain("best views: \(directory): \(error.localizedDescription)")
        }
        // A crash leaves a whole picture or none.
        let draft = path + ".part"
        guard files.createFile(atPath: draft, contents: Data(bytes), attributes: [mode: 0o640]),
            (try? FileHandle(forUpdating: URL(fileURLWithPath: draft)).synchronize()) != nil, rename(draft, path) == 0
        else {
            complain("best views: \(path): cannot be written: \(String(cString: strerror(errno)))")
            unlink(draft)
            return
        }
    }
}
