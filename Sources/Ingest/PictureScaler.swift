internal import CFFmpeg
internal import Glibc
internal import Scene

/// Brings decoded pictures of any format to the network's input: one pass of libswscale to RGB24, turned upright.
///
/// `SWS_AREA` averages over each output pixel's area when a side shrinks and is bilinear when it grows.
final class PictureScaler {
    private struct Plan: Equatable {
        let format: AVPixelFormat
        let color: PictureColor
        let stored: PixelSize
        let scaled: PixelSize
    }

    private var plan: Plan?
    private var scaler: OpaquePointer?
    private var turned: [UInt8] = []
    private let pool: PicturePool

    /// - Parameter inputSize: the network's input.
    init(inputSize: PixelSize) { pool = PicturePool(size: inputSize) }

    deinit { sws_freeContext(scaler) }

    /// nil when libswscale cannot do it.
    func scale(_ frame: UnsafeMutablePointer<AVFrame>, _ geometry: PictureGeometry, _ color: PictureColor)
        -> NetworkPicture?
    {
        let turns = geometry.orientation.swapsSides
        let content = geometry.content
        let scaled = turns ? PixelSize(width: content.height, height: content.width) : content
        let plan = Plan(
            format: AVPixelFormat(frame.pointee.format), color: color, stored: geometry.stored, scaled: scaled)
        guard prepare(plan), let scaler else { return nil }
        let picture = pool.picture(content: content)
        let rowBytes = picture.size.width * 3
        if geometry.orientation == .upright {
            return run(scaler, frame, into: picture.pixels, rowBytes) ? picture : nil
        }
        let turnedRow = (scaled.width * 3 + 63) / 64 * 64
        let needed = turnedRow * scaled.height + 256
        if turned.count < needed { turned = [UInt8](repeating: 0, count: needed) }
        return turned.withUnsafeMutableBufferPointer { buffer -> NetworkPicture? in
            guard let base = buffer.baseAddress, run(scaler, frame, into: base, turnedRow) else { return nil }
            geometry.orientation.turn(
                base, rowBytes: turnedRow, size: scaled, into: picture.pixels, rowBytes: rowBytes)
            return picture
        }
    }

    private func run(
        _ scaler: OpaquePointer, _ frame: UnsafeMutablePointer<AVFrame>, into pixels: UnsafeMutablePointer<UInt8>,
        _ rowBytes: Int
    ) -> Bool {
        let sources = (0..<4).map { data(frame, $0).map { UnsafePointer($0) } }
        let strides = (0..<4).map { Int32(stride(frame, $0)) }
        return sws_scale(
            scaler, sources, strides, 0, frame.pointee.height, [pixels, nil, nil, nil], [Int32(rowBytes), 0, 0, 0])
            > 0
    }

    private func prepare(_ wanted: Plan) -> Bool {
        if plan == wanted { return true }
        sws_freeContext(scaler)
        let flags = SWS_AREA | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_ACCURATE_RND
        scaler = sws_getContext(
            Int32(wanted.stored.width), Int32(wanted.stored.height), wanted.format, Int32(wanted.scaled.width),
            Int32(wanted.scaled.height), AV_PIX_FMT_RGB24, flags, nil, nil, nil)
        guard let scaler else {
            plan = nil
            return false
        }
        let table = sws_getCoefficients(Int32(wanted.color.matrix.rawValue))
        let isFull: Int32 = wanted.color.range == AVCOL_RANGE_JPEG ? 1 : 0
        // Says no for RGB, which needs none.
        sws_setColorspaceDetails(scaler, table, isFull, table, 1, 0, 1 << 16, 1 << 16)
        plan = wanted
        return true
    }
}
