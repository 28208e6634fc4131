internal import CFFmpeg
internal import Scene

/// Canvases become the frames that encoders take, of one size and format.
final class PlaneConverter {
    private let format: AVPixelFormat
    private let size: PixelSize
    private let matrix: AVColorSpace
    private let isFull: Bool
    private var source: PixelSize?
    private var content = PixelSize(width: 0, height: 0)
    private var scaler: OpaquePointer?

    init(format: AVPixelFormat, size: PixelSize, matrix: AVColorSpace, isFull: Bool) {
        self.format = format
        self.size = size
        self.matrix = matrix
        self.isFull = isFull
    }

    deinit { sws_freeContext(scaler) }

    /// A new frame, which the caller frees. A canvas of another size is fitted in, at the top left on black.
    func frame(of canvas: Canvas) throws(RenderingError) -> UnsafeMutablePointer<AVFrame> {
        try prepare(for: canvas.size)
        let frame = try allocated("av_frame_alloc", av_frame_alloc())
        var spent: UnsafeMutablePointer<AVFrame>? = frame
        frame.pointee.format = format.rawValue
        frame.pointee.width = Int32(size.width)
        frame.pointee.height = Int32(size.height)
        frame.pointee.color_range = isFull ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG
        frame.pointee.colorspace = matrix
        do {
            try check("av_frame_get_buffer", av_frame_get_buffer(frame, 0))
        } catch {
            av_frame_free(&spent)
            throw error
        }
        withPlanes(of: frame) { planes, strides in
            if content != size {
                let range = isFull ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG
                let rows = (0..<4).map { Int(strides[$0]) }
                av_image_fill_black(planes, rows, format, range, Int32(size.width), Int32(size.height))
            }
            let from = [UnsafePointer<UInt8>(canvas.pixels), nil, nil, nil]
            let rows = content == size ? min(canvas.size.height, size.height) : canvas.size.height
            sws_scale(scaler, from, [Int32(canvas.rowBytes), 0, 0, 0], 0, Int32(rows), planes, strides)
        }
        return frame
    }

    private func withPlanes(
        of frame: UnsafeMutablePointer<AVFrame>,
        _ body: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>, UnsafeMutablePointer<Int32>) -> Void
    ) {
        withUnsafeMutableBytes(of: &frame.pointee.data) { planes in
            withUnsafeMutableBytes(of: &frame.pointee.linesize) { strides in
                guard let planes = planes.bindMemory(to: UnsafeMutablePointer<UInt8>?.self).baseAddress,
                    let strides = strides.bindMemory(to: Int32.self).baseAddress
                else { return }
                body(planes, strides)
            }
        }
    }

    private func prepare(for canvas: PixelSize) throws(RenderingError) {
        if source == canvas { return }
        sws_freeContext(scaler)
        let isSame =
            (canvas.width - size.width) | (canvas.height - size.height) <= 1
            && canvas.width >= size.width && canvas.height >= size.height
        let from = isSame ? size : canvas
        content = isSame ? size : Self.fit(canvas, into: size)
        scaler = sws_getContext(
            Int32(from.width), Int32(from.height), AV_PIX_FMT_RGB24, Int32(content.width), Int32(content.height),
            format,
            SWS_BILINEAR | SWS_ACCURATE_RND, nil, nil, nil)
        guard let scaler else {
            source = nil
            throw .unreadablePicture(format: format.rawValue)
        }
        let table = sws_getCoefficients(Int32(matrix.rawValue))
        sws_setColorspaceDetails(scaler, table, 1, table, isFull ? 1 : 0, 0, 1 << 16, 1 << 16)
        source = canvas
    }

    private static func fit(_ canvas: PixelSize, into size: PixelSize) -> PixelSize {
        let scale = min(Double(size.width) / Double(canvas.width), Double(size.height) / Double(canvas.height))
        return PixelSize(
            width: min(size.width, max(2, Int(Double(canvas.width) * scale) & ~1)),
            height: min(size.height, max(2, Int(Double(canvas.height) * scale) & ~1)))
    }
}
