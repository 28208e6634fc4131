internal import Ingest
public import Scene

/// Calls `body` for up to `count` frames of a clip, folder or pattern of pictures, spread evenly over it where its length is
/// known.
/// - Throws: `IngestError` when there is nothing usable.
public func forSomeFrames(
    of location: String, inputSize: PixelSize, count: Int, _ body: (Frame) -> Void
) throws {
    let source = try VideoSource(
        location, camera: CameraID("calibration"), settings: SourceSettings(inputSize: inputSize))
    let step = max(1, (source.info.frameCount ?? count) / count)
    var used = 0
    var index = 0
    while used < count, let frame = try source.next() {
        if index % step == 0 {
            body(frame)
            used += 1
        }
        index += 1
    }
}
