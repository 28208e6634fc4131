internal import CFFmpeg
internal import Glibc

/// Makes one picture of the two fields of an interlaced one, at the first field's moment.
///
/// The first field's lines stay; each line of the second field becomes the median of itself and its two neighbours.
/// Where nothing moves it lies between them and stays, so that still parts keep their full resolution; where something
/// moves it sticks out like a comb's teeth and is replaced. (Three-tap vertical-temporal median filter; no delay, no
/// state.)
struct Deinterlacer {
    /// A new frame with the deinterlaced picture and the properties of `frame`; nil for formats without lines of
    /// samples (palettes, bit streams) and when memory is short.
    static func deinterlaced(_ frame: UnsafeMutablePointer<AVFrame>) -> UnsafeMutablePointer<AVFrame>? {
        let format = AVPixelFormat(frame.pointee.format)
        guard let description = av_pix_fmt_desc_get(format) else { return nil }
        let refused = UInt64(
            AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BE)
        guard description.pointee.flags & refused == 0, let copy = av_frame_alloc() else { return nil }
        copy.pointee.format = frame.pointee.format
        copy.pointee.width = frame.pointee.width
        copy.pointee.height = frame.pointee.height
        var result: UnsafeMutablePointer<AVFrame>? = copy
        guard av_frame_get_buffer(copy, 0) >= 0, av_frame_copy_props(copy, frame) >= 0 else {
            av_frame_free(&result)
            return nil
        }
        let isWide = description.pointee.comp.0.depth > 8
        let chromaShift = Int32(description.pointee.log2_chroma_h)
        for plane in 0..<Int(av_pix_fmt_count_planes(format)) {
            let isChroma = plane == 1 || plane == 2
            let rows = Int(isChroma ? -((-frame.pointee.height) >> chromaShift) : frame.pointee.height)
            let bytes = Int(av_image_get_linesize(format, frame.pointee.width, Int32(plane)))
            guard let from = data(frame, plane), let to = data(copy, plane), bytes > 0 else { continue }
            let (source, target) = (stride(frame, plane), stride(copy, plane))
            let first = frame.pointee.top_field_first != 0 ? 0 : 1
            for y in 0..<rows {
                let (line, output) = (from + y * source, to + y * target)
                guard y % 2 != first, y > 0, y + 1 < rows else {
                    memcpy(output, line, bytes)
                    continue
                }
                if isWide {
                    median16(line - source, line, line + source, into: output, count: bytes / 2)
                } else {
                    median8(line - source, line, line + source, into: output, count: bytes)
                }
            }
        }
        copy.pointee.interlaced_frame = 0
        return copy
    }

    private static func median8(
        _ above: UnsafeMutablePointer<UInt8>, _ own: UnsafeMutablePointer<UInt8>, _ below: UnsafeMutablePointer<UInt8>,
        into output: UnsafeMutablePointer<UInt8>, count: Int
    ) {
        for i in 0..<count {
            let (low, high) = (min(above[i], below[i]), max(above[i], below[i]))
            output[i] = max(low, min(own[i], high))
        }
    }

    private static func median16(
        _ above: UnsafeMutablePointer<UInt8>, _ own: UnsafeMutablePointer<UInt8>, _ below: UnsafeMutablePointer<UInt8>,
        into output: UnsafeMutablePointer<UInt8>, count: Int
    ) {
        let (above, own, below, output) = (wide(above), wide(own), wide(below), wide(output))
        for i in 0..<count {
            let (low, high) = (min(above[i], below[i]), max(above[i], below[i]))
            output[i] = max(low, min(own[i], high))
        }
    }

    private static func wide(_ bytes: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt16> {
        UnsafeMutableRawPointer(bytes).assumingMemoryBound(to: UInt16.self)
    }
}

/// The first byte of a plane.
func data(_ frame: UnsafeMutablePointer<AVFrame>, _ plane: Int) -> UnsafeMutablePointer<UInt8>? {
    withUnsafeBytes(of: &frame.pointee.data) {
        $0.bindMemory(to: UnsafeMutablePointer<UInt8>?.self)[plane]
    }
}

/// Bytes from one row of a plane to the next; negative for pictures stored bottom up.
func stride(_ frame: UnsafeMutablePointer<AVFrame>, _ plane: Int) -> Int {
    withUnsafeBytes(of: &frame.pointee.linesize) { Int($0.bindMemory(to: Int32.self)[plane]) }
}
