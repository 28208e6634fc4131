internal import CFFmpeg
internal import Scene

/// Canvases as picture files: snapshots, best views and the live page are made of them.
public struct PictureEncoder: Sendable {
    public enum Format: Sendable, Equatable {
        /// Quality 1...100, higher is better.
        case jpeg(quality: Int)
        case png
    }

    public let format: Format
    private let redaction: Redaction

    /// - Parameter redaction: `.always` refuses canvases that are not redacted.
    public init(_ format: Format, redaction: Redaction) {
        silenceFFmpeg()
        self.format = format
        self.redaction = redaction
    }

    /// The bytes of a JPEG or PNG file.
    ///
    /// - Throws: `RenderingError.notRedacted`, or what FFmpeg says.
    public func encode(_ canvas: Canvas) throws(RenderingError) -> [UInt8] {
        if redaction == .always && !canvas.isRedacted { throw .notRedacted }
        let isPNG = format == .png
        guard let codec = avcodec_find_encoder(isPNG ? AV_CODEC_ID_PNG : AV_CODEC_ID_MJPEG) else {
            throw .noEncoder(codec: isPNG ? "PNG" : "JPEG")
        }
        let context = try allocated("avcodec_alloc_context3", avcodec_alloc_context3(codec))
        var closing: UnsafeMutablePointer<AVCodecContext>? = context
        defer { avcodec_free_context(&closing) }
        let pixelFormat = isPNG ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_YUVJ420P
        context.pointee.width = Int32(canvas.size.width)
        context.pointee.height = Int32(canvas.size.height)
        context.pointee.pix_fmt = pixelFormat
        context.pointee.time_base = AVRational(num: 1, den: 25)
        context.pointee.thread_count = 1
        context.pointee.color_range = AVCOL_RANGE_JPEG
        if case .jpeg(let quality) = format {
            context.pointee.flags |= AV_CODEC_FLAG_QSCALE
            context.pointee.global_quality = Self.quantizer(quality) * FF_QP2LAMBDA
        }
        try check("avcodec_open2", avcodec_open2(context, codec, nil))
        let converter = PlaneConverter(
            format: pixelFormat, size: canvas.size, matrix: AVCOL_SPC_SMPTE170M, isFull: true)
        let frame = try converter.frame(of: canvas)
        var spent: UnsafeMutablePointer<AVFrame>? = frame
        defer { av_frame_free(&spent) }
        frame.pointee.pts = 0
        frame.pointee.quality = context.pointee.global_quality
        return try bytes(of: frame, context)
    }

    private func bytes(
        of frame: UnsafeMutablePointer<AVFrame>, _ context: UnsafeMutablePointer<AVCodecContext>
    ) throws(RenderingError) -> [UInt8] {
        let packet = try allocated("av_packet_alloc", av_packet_alloc())
        var spent: UnsafeMutablePointer<AVPacket>? = packet
        defer { av_packet_free(&spent) }
        try check("avcodec_send_frame", avcodec_send_frame(context, frame))
        try check("avcodec_send_frame", avcodec_send_frame(context, nil))
        try check("avcodec_receive_packet", avcodec_receive_packet(context, packet))
        return Array(UnsafeBufferPointer(start: packet.pointee.data, count: Int(packet.pointee.size)))
    }

    /// libavcodec's scale runs from 2, the best, to 31.
    private static func quantizer(_ quality: Int) -> Int32 {
        Int32(2 + (100 - min(max(quality, 1), 100)) * 29 / 99)
    }
}
