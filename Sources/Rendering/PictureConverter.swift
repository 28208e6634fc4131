internal import CFFmpeg
internal import Scene

/// Decoded pictures become canvases: full resolution, upright, square pixels.
final class PictureConverter {
    private struct Plan: Equatable {
        let format: Int32
        let colorSpace: Int32
        let colorRange: Int32
        let stored: PixelSize
        let scaled: PixelSize
    }

    private var plan: Plan?
    private var scaler: OpaquePointer?
    private var turned: Canvas?

    deinit { sws_freeContext(scaler) }

    /// - Parameter size: upright with square pixels, as `Frame.size`.
    func canvas(of picture: DecodedPicture, size: PixelSize) throws(RenderingError) -> Canvas {
        let orientation = picture.orientation
        let scaled = orientation.swapsSides ? PixelSize(width: size.height, height: size.width) : size
        let plan = Plan(
            format: picture.format, colorSpace: picture.colorSpace, colorRange: picture.colorRange,
            stored: picture.storedSize, scaled: scaled)
        guard prepare(plan), let scaler else { throw .unreadablePicture(format: picture.format) }
        let canvas = Canvas(size: size)
        if orientation == .upright {
            run(scaler, picture, into: canvas)
        } else {
            let sideways = turned?.size == scaled ? turned ?? Canvas(size: scaled) : Canvas(size: scaled)
            turned = sideways
            run(scaler, picture, into: sideways)
            orientation.turn(
                sideways.pixels, rowBytes: sideways.rowBytes, size: scaled, into: canvas.pixels,
                rowBytes: canvas.rowBytes)
        }
        return canvas
    }

    private func run(_ scaler: OpaquePointer, _ picture: DecodedPicture, into canvas: Canvas) {
        var sources = picture.planes.map { UnsafePointer<UInt8>?($0.data) }
        var strides = picture.planes.map { Int32($0.stride) }
        while sources.count < 4 {
            sources.append(nil)
            strides.append(0)
        }
        sws_scale(
            scaler, sources, strides, 0, Int32(picture.storedSize.height), [canvas.pixels, nil, nil, nil],
            [Int32(canvas.rowBytes), 0, 0, 0])
    }

    private func prepare(_ wanted: Plan) -> Bool {
        if plan == wanted { return true }
        sws_freeContext(scaler)
        // Where nothing is scaled libswscale has a fast path, which the exact flags would close.
        let flags = wanted.stored == wanted.scaled ? SWS_BILINEAR : SWS_BICUBIC | SWS_FULL_CHR_H_INT | SWS_ACCURATE_RND
        scaler = sws_getContext(
            Int32(wanted.stored.width), Int32(wanted.stored.height), AVPixelFormat(wanted.format),
            Int32(wanted.scaled.width), Int32(wanted.scaled.height), AV_PIX_FMT_RGB24, flags, nil, nil, nil)
        guard let scaler else {
            plan = nil
            return false
        }
        let table = sws_getCoefficients(wanted.colorSpace)
        let isFull: Int32 = wanted.colorRange == Int32(AVCOL_RANGE_JPEG.rawValue) ? 1 : 0
        // Says no for RGB, which needs none.
        sws_setColorspaceDetails(scaler, table, isFull, table, 1, 0, 1 << 16, 1 << 16)
        plan = wanted
        return true
    }
}
