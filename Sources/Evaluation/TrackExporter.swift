public import Scene

/// The formats of other people's tools that tracks can be written in.
public enum ExportFormat: String, Sendable, CaseIterable {
    /// COCO results: one object a person and frame, for pycocotools; with `track_id` beside COCO's keys.
    case coco
    /// MOTChallenge text: boxes, for TrackEval and py-motmetrics.
    case mot
    /// MOTS text: masks that do not overlap, for TrackEval.
    case mots
}

/// Writes the tracks of a clip or a folder of pictures, frame by frame, in a format of other tools.
///
/// Only people found in the frame are written. The whole text is what `text(for:frame:size:)` gave for every frame in
/// their order, then `ending`.
public struct TrackExporter: Sendable {
    public let format: ExportFormat
    private var isEmpty = true

    public init(format: ExportFormat) { self.format = format }

    /// - Parameters:
    ///   - frame: counts from 1; COCO's `image_id`.
    ///   - size: of the frame, in pixels.
    public mutating func text(for tracks: [Track], frame: Int, size: PixelSize) -> String {
        let seen = tracks.filter { $0.state == .seen }
        switch format {
        case .mot: return seen.map { MOTBox($0, frame: frame, size: size).line }.joined()
        case .mots: return motsLines(seen, frame: frame)
        case .coco:
            var text = ""
            for track in seen {
                text += isEmpty ? "[\n" : ",\n"
                isEmpty = false
                text += cocoObject(track, frame: frame, size: size)
            }
            return text
        }
    }

    /// What closes the text.
    public var ending: String { format == .coco ? (isEmpty ? "[]\n" : "\n]\n") : "" }
}

/// `frame id class height width counts`, class 2 for pedestrians and ids from 2000 on, as in the MOTS challenge. Pixels
/// that two people claim go to the nearer one, whose feet are lower.
private func motsLines(_ tracks: [Track], frame: Int) -> String {
    var taken: Mask?
    var lines: [(id: UInt64, text: String)] = []
    for track in tracks.sorted(by: { ($0.person.box.y1, $1.id.ordinal) > ($1.person.box.y1, $0.id.ordinal) }) {
        guard let mask = track.person.mask else { continue }
        let rest = taken.map { $0.size == mask.size ? mask.subtracting($0) : mask } ?? mask
        guard !rest.isEmpty else { continue }
        taken = taken.map { $0.size == mask.size ? $0.union(mask) : $0 } ?? mask
        let id = 2000 + track.id.ordinal
        lines.append((id, "\(frame) \(id) 2 \(rest.size.height) \(rest.size.width) \(rest.counts)\n"))
    }
    return lines.sorted { $0.id < $1.id }.map(\.text).joined()
}

private func cocoObject(_ track: Track, frame: Int, size: PixelSize) -> String {
    let result = COCOResult(track.person, image: frame, size: size)
    func list(_ numbers: [Double], places: Int) -> String {
        "[" + numbers.map { decimal($0, places: places) }.joined(separator: ", ") + "]"
    }
    var text = "{\"image_id\": \(frame), \"category_id\": 1, \"track_id\": \(track.id.ordinal)"
    text += ", \"bbox\": " + list(result.bbox ?? [], places: 2)
    text += ", \"score\": " + decimal(result.score, places: 4)
    if let mask = track.person.mask {
        // The counts may hold a backslash, which JSON spells twice.
        let counts = mask.counts.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\\\")
        text += ", \"segmentation\": {\"size\": [\(mask.size.height), \(mask.size.width)], \"counts\": \"\(counts)\"}"
    }
    if let keypoints = result.keypoints { text += ", \"keypoints\": " + list(keypoints, places: 2) }
    return text + "}"
}
