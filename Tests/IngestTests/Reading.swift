import Ingest
import Scene
import TestTools
import Testing

/// What a test keeps of a frame.
struct Seen: Equatable {
    let microseconds: Int64
    let size: PixelSize
    let content: PixelSize
    /// FNV-1a of the picture's content.
    let hash: UInt64

    init(_ frame: Frame) {
        microseconds = frame.time.microseconds
        size = frame.size
        content = frame.input.content
        var hash: UInt64 = 14_695_981_039_346_656_037
        for y in 0..<content.height {
            let row = frame.input.pixels + y * frame.input.size.width * 3
            for i in 0..<(content.width * 3) { hash = (hash ^ UInt64(row[i])) &* 1_099_511_628_211 }
        }
        self.hash = hash
    }
}

/// A whole source read to its end.
struct Reading {
    var frames: [Seen] = []
    var warnings: [IngestWarning] = []
    var info: StreamInfo

    var milliseconds: [Int64] { frames.map { $0.microseconds / 1000 } }

    init(_ location: String, _ settings: SourceSettings = .small, limit: Int = .max) throws {
        let source = try VideoSource(location, camera: CameraID("test"), settings: settings)
        info = source.info
        while frames.count < limit, let frame = try source.next() {
            #expect(frame.index == frames.count)
            frames.append(Seen(frame))
        }
        warnings = source.warnings
    }
}

extension SourceSettings {
    static var small: SourceSettings { SourceSettings(inputSize: PixelSize(width: 320, height: 192), threads: 2) }

    /// These settings with something changed.
    func with(_ change: (inout SourceSettings) -> Void) -> SourceSettings {
        var copy = self
        change(&copy)
        return copy
    }
}

/// RGB bytes of a frame's content, row after row.
func contentBytes(of frame: Frame) -> [UInt8] {
    let (width, height) = (frame.input.content.width, frame.input.content.height)
    var bytes: [UInt8] = []
    for y in 0..<height {
        bytes += UnsafeBufferPointer(start: frame.input.pixels + y * frame.input.size.width * 3, count: width * 3)
    }
    return bytes
}

/// The first frame of a source.
func firstFrame(_ location: String, _ settings: SourceSettings = .small) throws -> Frame {
    let source = try VideoSource(location, camera: CameraID("test"), settings: settings)
    return try #require(try source.next())
}

/// The largest and the mean difference of two pictures.
func difference(_ a: [UInt8], _ b: [UInt8]) -> (largest: Int, mean: Double) {
    guard a.count == b.count else { return (256, 256) }
    var (largest, sum) = (0, 0)
    for (x, y) in zip(a, b) {
        let d = abs(Int(x) - Int(y))
        largest = max(largest, d)
        sum += d
    }
    return (largest, Double(sum) / Double(max(a.count, 1)))
}
