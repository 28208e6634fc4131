internal import CFFmpeg
internal import Scene

/// The files of a folder or pattern, each one picture, at a constant frame rate.
final class PictureReader {
    let paths: [String]
    let fps: Double
    private let interruption: Interruption
    private var position = 0
    /// The place of the first picture that could not be decoded, and how many.
    private(set) var unreadable: (count: Int, first: String)?
    /// Facts of the last picture: container and codec.
    private(set) var container = "pictures"
    private(set) var codec = "unknown"

    init(_ paths: [String], fps: Double, interruption: Interruption) {
        self.paths = paths
        self.fps = fps
        self.interruption = interruption
    }

    /// Decodes the next readable picture into `frame`; nil after the last one.
    ///
    /// A picture that cannot be decoded keeps its place in time and is counted.
    func next(into frame: UnsafeMutablePointer<AVFrame>) throws(IngestError) -> PictureStamp? {
        while position < paths.count {
            if interruption.isInterrupted { throw .interrupted }
            let path = paths[position]
            let time = microseconds(position)
            position += 1
            if decode(path, into: frame) {
                return PictureStamp(presentation: time, duration: microseconds(position) - time)
            }
            unreadable = ((unreadable?.count ?? 0) + 1, unreadable?.first ?? path)
        }
        return nil
    }

    private func microseconds(_ index: Int) -> Int64 { Int64((Double(index) * 1_000_000 / fps).rounded()) }

    private func decode(_ path: String, into frame: UnsafeMutablePointer<AVFrame>) -> Bool {
        var settings = SourceSettings(inputSize: PixelSize(width: 32, height: 32))
        settings.threads = 1
        guard let location = try? Location("file:" + path),
            let reader = try? StreamReader(location, settings: settings, interruption: interruption),
            let stamp = try? reader.next(into: frame)
        else { return false }
        _ = stamp
        if reader.decoder.isTorn(frame) { frame.pointee.decode_error_flags |= FF_DECODE_ERROR_INVALID_BITSTREAM }
        codec = reader.decoder.title
        return true
    }
}

/// Whether a JPEG has no end of image (FFD9) after its last start of scan (FFDA); neither can stand inside a scan.
func endsInsideScan(_ jpeg: UnsafeBufferPointer<UInt8>) -> Bool {
    for i in jpeg.indices.dropLast().reversed() where jpeg[i] == 0xff {
        if jpeg[i + 1] == 0xd9 { return false }
        if jpeg[i + 1] == 0xda { return true }
    }
    return false
}
