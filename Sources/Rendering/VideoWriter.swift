internal import CFFmpeg
internal import Glibc
public import Scene

/// Writes canvases as H.264 in MP4 that browsers play, each frame at its own time.
///
/// While it is written the file is fragmented: whatever happens to the process, what was written so far plays.
/// `finish()` rewrites it with its index in front. Used from one thread.
public final class VideoWriter {
    private enum State {
        case open
        case failed(RenderingError)
        case finished
    }

    public let path: String
    /// The video's size: the first canvas's, cut to even sides.
    public let size: PixelSize
    /// Frames written.
    public private(set) var frameCount = 0

    private var state = State.open
    private let redaction: Redaction
    private let converter: PlaneConverter
    private let encoder: UnsafeMutablePointer<AVCodecContext>
    private let container: UnsafeMutablePointer<AVFormatContext>
    private let stream: UnsafeMutablePointer<AVStream>
    private let packet: UnsafeMutablePointer<AVPacket>
    private let frameTicks: Int64
    private var lastTick: Int64 = -1
    private var origin: Int64?

    private static let ticksPerSecond: Int32 = 90_000

    /// - Parameters:
    ///   - size: of the canvases, both sides at least 2.
    ///   - fps: how many canvases a second to expect; frames keep their own times whatever it is.
    ///   - redaction: `.always` refuses canvases that are not redacted.
    ///   - crf: x264's constant rate factor, lower is better and larger.
    ///   - threads: of the encoder; 0 lets it choose.
    /// - Throws: when libavcodec has no H.264 encoder or the file cannot be written.
    public init(
        _ path: String, size: PixelSize, fps: Double, redaction: Redaction, crf: Int = 23, threads: Int = 0
    ) throws(RenderingError) {
        silenceFFmpeg()
        self.path = path
        self.redaction = redaction
        let even = PixelSize(width: size.width & ~1, height: size.height & ~1)
        guard even.width > 0 && even.height > 0 else {
            throw .cannotWrite(
                path: path, reason: "H.264 needs at least 2x2 pixels, found \(size.width)x\(size.height)")
        }
        self.size = even
        let rate = fps.isFinite && fps > 0 ? min(max(fps, 0.01), 1000) : 25
        frameTicks = Int64(Double(Self.ticksPerSecond) / rate)
        let isHD = even.height > 576
        converter = PlaneConverter(
            format: AV_PIX_FMT_YUV420P, size: even, matrix: isHD ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M, isFull: false)
        encoder = try Self.openEncoder(size: even, rate: rate, isHD: isHD, crf: crf, threads: threads)
        do {
            (container, stream) = try Self.openContainer(path, encoder)
            packet = try allocated("av_packet_alloc", av_packet_alloc())
        } catch {
            var encoder: UnsafeMutablePointer<AVCodecContext>? = encoder
            avcodec_free_context(&encoder)
            throw error
        }
    }

    deinit {
        if case .open = state { try? finish() }
        var (encoder, packet): (UnsafeMutablePointer<AVCodecContext>?, UnsafeMutablePointer<AVPacket>?) = (
            encoder, packet
        )
        avcodec_free_context(&encoder)
        av_packet_free(&packet)
        avio_closep(&container.pointee.pb)
        avformat_free_context(container)
    }

    /// Adds a picture.
    ///
    /// - Parameter time: later than that of the picture before; the first one becomes 0 of the video.
    public func write(_ canvas: Canvas, at time: StreamTime) throws(RenderingError) {
        if redaction == .always && !canvas.isRedacted { throw .notRedacted }
        if case .failed(let error) = state { throw error }
        guard case .open = state else { preconditionFailure("nothing is written after finish()") }
        let start = origin ?? time.microseconds
        origin = start
        let tick = av_rescale(time.microseconds - start, Int64(Self.ticksPerSecond), 1_000_000)
        lastTick = max(tick, lastTick + 1)
        let frame = try converter.frame(of: canvas)
        var spent: UnsafeMutablePointer<AVFrame>? = frame
        defer { av_frame_free(&spent) }
        frame.pointee.pts = lastTick
        try remembering { () throws(RenderingError) in try self.encode(frame) }
        frameCount += 1
    }

    /// Completes the file. Nothing can be written afterwards; calling it again does nothing.
    public func finish() throws(RenderingError) {
        guard case .open = state else { return }
        try remembering { () throws(RenderingError) in
            try self.encode(nil)
            try self.checkWriting(av_write_trailer(self.container))
            try self.checkWriting(avio_closep(&self.container.pointee.pb))
        }
        state = .finished
        moveIndexToFront(of: path)
    }

    private func remembering(_ body: () throws(RenderingError) -> Void) throws(RenderingError) {
        do throws(RenderingError) {
            try body()
        } catch {
            state = .failed(error)
            throw error
        }
    }

    private func encode(_ frame: UnsafeMutablePointer<AVFrame>?) throws(RenderingError) {
        try check("avcodec_send_frame", avcodec_send_frame(encoder, frame))
        while true {
            let code = avcodec_receive_packet(encoder, packet)
            if code == hcq_averror(EAGAIN) || code == hcq_averror_eof() { return }
            try check("avcodec_receive_packet", code)
            packet.pointee.stream_index = 0
            if packet.pointee.duration == 0 { packet.pointee.duration = frameTicks }
            av_packet_rescale_ts(packet, encoder.pointee.time_base, stream.pointee.time_base)
            try checkWriting(av_interleaved_write_frame(container, packet))
        }
    }

    private func checkWriting(_ code: Int32) throws(RenderingError) {
        if code < 0 { throw .cannotWrite(path: path, reason: reason(code)) }
    }

    private static func openEncoder(
        size: PixelSize, rate: Double, isHD: Bool, crf: Int, threads: Int
    ) throws(RenderingError) -> UnsafeMutablePointer<AVCodecContext> {
        guard let codec = avcodec_find_encoder_by_name("libx264") ?? avcodec_find_encoder_by_name("libopenh264") else {
            throw .noEncoder(codec: "H.264")
        }
        let encoder = try allocated("avcodec_alloc_context3", avcodec_alloc_context3(codec))
        encoder.pointee.width = Int32(size.width)
        encoder.pointee.height = Int32(size.height)
        encoder.pointee.pix_fmt = AV_PIX_FMT_YUV420P
        encoder.pointee.time_base = AVRational(num: 1, den: ticksPerSecond)
        encoder.pointee.framerate = av_d2q(rate, 100_000)
        encoder.pointee.gop_size = Int32(min(max(rate * 2, 10), 250))
        // Decoding order is presentation order: times stay exact in fragments.
        encoder.pointee.max_b_frames = 0
        encoder.pointee.thread_count = Int32(threads)
        encoder.pointee.color_range = AVCOL_RANGE_MPEG
        encoder.pointee.colorspace = isHD ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M
        encoder.pointee.color_primaries = isHD ? AVCOL_PRI_BT709 : AVCOL_PRI_SMPTE170M
        encoder.pointee.color_trc = isHD ? AVCOL_TRC_BT709 : AVCOL_TRC_SMPTE170M
        encoder.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER
        av_opt_set(encoder.pointee.priv_data, "preset", "veryfast", 0)
        av_opt_set(encoder.pointee.priv_data, "crf", String(crf), 0)
        do {
            try check("avcodec_open2", avcodec_open2(encoder, codec, nil))
        } catch {
            var closing: UnsafeMutablePointer<AVCodecContext>? = encoder
            avcodec_free_context(&closing)
            throw error
        }
        return encoder
    }

    private static func openContainer(
        _ path: String, _ encoder: UnsafeMutablePointer<AVCodecContext>
    ) throws(RenderingError) -> (UnsafeMutablePointer<AVFormatContext>, UnsafeMutablePointer<AVStream>) {
        var opening: UnsafeMutablePointer<AVFormatContext>?
        try check("avformat_alloc_output_context2", avformat_alloc_output_context2(&opening, nil, "mp4", path))
        let container = try allocated("avformat_alloc_output_context2", opening)
        do throws(RenderingError) {
            let stream = try allocated("avformat_new_stream", avformat_new_stream(container, nil))
            stream.pointee.time_base = encoder.pointee.time_base
            stream.pointee.avg_frame_rate = encoder.pointee.framerate
            try check(
                "avcodec_parameters_from_context", avcodec_parameters_from_context(stream.pointee.codecpar, encoder))
            let code = avio_open(&container.pointee.pb, "file:" + path, AVIO_FLAG_WRITE)
            if code < 0 { throw .cannotWrite(path: path, reason: reason(code)) }
            container.pointee.flags |= AVFMT_FLAG_FLUSH_PACKETS
            var options: OpaquePointer?
            av_dict_set(&options, "movflags", "frag_keyframe+empty_moov+default_base_moof", 0)
            defer { av_dict_free(&options) }
            let header = avformat_write_header(container, &options)
            if header < 0 { throw .cannotWrite(path: path, reason: reason(header)) }
            return (container, stream)
        } catch {
            avio_closep(&container.pointee.pb)
            avformat_free_context(container)
            throw error
        }
    }
}
