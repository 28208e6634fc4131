public import Evaluation
internal import Scene

/// A file for other tools that a replay writes beside its log.
public struct TrackExport: Sendable, Equatable {
    public enum Content: Sendable, Equatable {
        /// Who was where.
        case tracks(ExportFormat)
        /// MOTChallenge text in which holes of at most so many seconds are filled by straight lines.
        case filledBoxes(seconds: Double)
        /// What the network said before anybody was followed, for `hcqd track`.
        case people
    }

    public var path: String
    public var content: Content

    public init(path: String, content: Content) {
        self.path = path
        self.content = content
    }
}

/// The open file. Used from one queue.
struct TrackFile {
    private let file: OutputFile
    private let content: TrackExport.Content
    private var exporter: TrackExporter
    /// Of tracks whose holes are filled at the end.
    private var boxes: [MOTBox] = []
    private let fps: Double

    /// - Parameter fps: frames per second that come.
    /// - Throws: `ReplayError.cannotWrite`.
    init(_ export: TrackExport, fps: Double) throws {
        file = try OutputFile(export.path)
        content = export.content
        self.fps = fps
        if case .tracks(let format) = content {
            exporter = TrackExporter(format: format)
        } else {
            exporter = TrackExporter(format: .mot)
        }
    }

    /// Adds a frame; frames count from 1.
    /// - Parameters:
    ///   - people: as the network gave them.
    mutating func append(_ tracks: [Track], people: [Person], of frame: Frame) throws {
        let number = frame.index + 1
        switch content {
        case .tracks: try file.write(exporter.text(for: tracks, frame: number, size: frame.size))
        case .filledBoxes:
            for track in tracks where track.state == .seen {
                boxes.append(MOTBox(track, frame: number, size: frame.size))
            }
        case .people:
            try file.write(FramePeople(frame: number, time: frame.time, size: frame.size, people: people).line())
        }
    }

    /// Writes what can be written only at the end.
    func close() throws {
        switch content {
        case .tracks: try file.write(exporter.ending)
        case .filledBoxes(let seconds):
            try file.write(MOTBox.fillingHoles(boxes, upTo: Int((seconds * fps).rounded())).map(\.line).joined())
        case .people: break
        }
    }
}
