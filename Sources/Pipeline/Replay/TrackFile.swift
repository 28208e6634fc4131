public import Evaluation
internal import Foundation
internal import Scene

/// A file of tracks in another tool's format, that a replay writes beside its log.
public struct TrackExport: Sendable, Equatable {
    public var path: String
    public var format: ExportFormat

    public init(path: String, format: ExportFormat) {
        self.path = path
        self.format = format
    }
}

/// The open file. Used from one queue.
struct TrackFile {
    private let handle: FileHandle
    private let path: String
    private var exporter: TrackExporter

    /// - Throws: `ReplayError.cannotWrite`.
    init(_ export: TrackExport) throws {
        path = export.path
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw ReplayError.cannotWrite(path: path, reason: String(cString: strerror(errno))) }
        self.handle = handle
        exporter = TrackExporter(format: export.format)
    }

    /// Adds the people found in a frame; frames count from 1.
    mutating func append(_ tracks: [Track], of frame: Frame) throws {
        try write(exporter.text(for: tracks, frame: frame.index + 1, size: frame.size))
    }

    func close() throws {
        try write(exporter.ending)
        try handle.close()
    }

    private func write(_ text: String) throws {
        guard !text.isEmpty else { return }
        do { try handle.write(contentsOf: Data(text.utf8)) } catch {
            throw ReplayError.cannotWrite(path: path, reason: "\(error)")
        }
    }
}
