internal import CFFmpeg
internal import Glibc

/// Packets become pictures. Owns the `AVCodecContext`.
final class PictureDecoder {
    /// What asking for a picture gave.
    enum Receiving {
        case picture, needsPacket, end
    }

    let codecID: AVCodecID
    /// libavcodec's short name, with the hardware when it decodes.
    let title: String
    let threads: Int
    /// Why hardware decoding, asked for, is not used.
    let hardwareRefusal: String?
    /// Packets that were refused.
    private(set) var errorCount = 0
    /// Places where pictures are missing from a live stream.
    private(set) var gapCount = 0
    /// Numbers of the packets before which pictures are missing, until a picture has come out that tells of it.
    private var gaps: [Int64] = []
    /// Numbers of the packets that lack a part, as long as pictures of them may come out.
    private var torn: [Int64] = []
    private var packetNumber: Int64 = 0
    private var numbers: PictureNumbers?
    private let complaints: FFmpegComplaints?
    private var context: UnsafeMutablePointer<AVCodecContext>
    private var consecutiveErrors = 0
    private var isDraining = false
    /// Hardware surfaces are copied from here to memory.
    private let surface: UnsafeMutablePointer<AVFrame>?

    /// - Parameters:
    ///   - threads: 1 for live streams, whose pictures must not wait for later ones.
    ///   - isLive: whether pictures that are missing are noticed.
    ///   - isStrict: makes every packet with a fault in it an error, instead of a picture with the fault concealed.
    init(
        _ stream: UnsafeMutablePointer<AVStream>, threads: Int, isLive: Bool, isStrict: Bool,
        hardware: ConnectionSettings.Hardware, location: Location
    ) throws(IngestError) {
        let parameters = stream.pointee.codecpar.pointee
        codecID = parameters.codec_id
        let codecName = name(avcodec_get_name(codecID))
        guard let codec = avcodec_find_decoder(codecID) else {
            throw .noDecoder(location: location.shown, codec: codecName)
        }
        guard let made = avcodec_alloc_context3(codec) else {
            throw .failed(location: location.shown, call: "avcodec_alloc_context3", reason: "out of memory")
        }
        context = made
        self.threads = threads
        made.pointee.pkt_timebase = stream.pointee.time_base
        made.pointee.thread_count = Int32(threads)
        made.pointee.thread_type = FF_THREAD_FRAME
        if isStrict { made.pointee.err_recognition |= AV_EF_EXPLODE }
        hardwareRefusal = hardware == .vaapi ? attachVAAPI(to: made, codec) : nil
        let usesHardware = hardware == .vaapi && hardwareRefusal == nil
        title = usesHardware ? codecName + " (vaapi)" : codecName
        surface = usesHardware ? av_frame_alloc() : nil
        complaints = isLive && codecID == AV_CODEC_ID_HEVC ? FFmpegComplaints(of: made) : nil
        if isLive && codecID == AV_CODEC_ID_H264 {
            numbers = PictureNumbers(
                extradata: UnsafeBufferPointer(start: parameters.extradata, count: Int(parameters.extradata_size)))
        }
        do {
            try check("avcodec_parameters_to_context", avcodec_parameters_to_context(made, stream.pointee.codecpar))
            try check("avcodec_open2", avcodec_open2(made, codec, nil))
        } catch {
            throw .failed(location: location.shown, call: error.call, reason: error.reason)
        }
    }

    deinit {
        var closing: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&closing)
        var surface = surface
        av_frame_free(&surface)
    }

    /// Hands in a packet, or nil to get out what is still inside.
    /// - Parameters:
    ///   - isTorn: whether part of the packet was lost on its way.
    ///   - isCut: whether its end is missing.
    func send(_ packet: UnsafeMutablePointer<AVPacket>?, isTorn: Bool = false, isCut: Bool = false) {
        packetNumber += 1
        // The decoder hands this on to the packet's picture, which may come out later.
        context.pointee.reordered_opaque = packetNumber
        if isTorn || isCut { torn.append(packetNumber) }
        if let packet {
            let bytes = UnsafeBufferPointer(start: packet.pointee.data, count: Int(packet.pointee.size))
            let followsGap = numbers?.misses(bytes) == true
            if isTorn || followsGap { noteGap() }
        } else {
            isDraining = true
        }
        let code = avcodec_send_packet(context, packet)
        if complaints?.take() == true { noteGap() }
        if code < 0 && code != hcq_averror(EAGAIN) && code != hcq_averror_eof() { errorCount += 1 }
    }

    private func noteGap() {
        gapCount += 1
        gaps.append(packetNumber)
    }

    /// Whether a picture is the first that was decoded after a gap. To be asked once, of each.
    func followsGap(_ frame: UnsafeMutablePointer<AVFrame>) -> Bool {
        let count = gaps.count
        gaps.removeAll { $0 <= frame.pointee.reordered_opaque }
        return gaps.count < count
    }

    /// Whether part of a picture was lost on its way; the decoder may not have noticed.
    func isTorn(_ frame: UnsafeMutablePointer<AVFrame>) -> Bool {
        let number = frame.pointee.reordered_opaque
        // Pictures come out of order, by 16 at most.
        torn.removeAll { $0 < number - 64 }
        return torn.contains(number)
    }

    /// Takes out the next picture in presentation order.
    func receive(into frame: UnsafeMutablePointer<AVFrame>) -> Receiving {
        while true {
            let code = avcodec_receive_frame(context, frame)
            if complaints?.take() == true { noteGap() }
            if code >= 0 {
                consecutiveErrors = 0
                if fetchFromHardware(frame) { return .picture }
                errorCount += 1
                continue
            }
            if code == hcq_averror(EAGAIN) { return .needsPacket }
            if code == hcq_averror_eof() { return .end }
            errorCount += 1
            consecutiveErrors += 1
            if !isDraining { return .needsPacket }
            // While it drains, every thread may still report an error of its own.
            if consecutiveErrors > 1000 { return .end }
        }
    }

    /// Forgets everything, after a seek.
    func flush() {
        avcodec_flush_buffers(context)
        isDraining = false
    }

    private func fetchFromHardware(_ frame: UnsafeMutablePointer<AVFrame>) -> Bool {
        guard let surface, frame.pointee.format == AV_PIX_FMT_VAAPI.rawValue else { return true }
        av_frame_unref(surface)
        guard av_hwframe_transfer_data(surface, frame, 0) >= 0, av_frame_copy_props(surface, frame) >= 0 else {
            return false
        }
        av_frame_unref(frame)
        av_frame_move_ref(frame, surface)
        return true
    }
}

/// Prepares a decoder for VAAPI; the reason when that is not possible.
private func attachVAAPI(
    to context: UnsafeMutablePointer<AVCodecContext>, _ codec: UnsafePointer<AVCodec>
) -> String? {
    var index: Int32 = 0
    var isSupported = false
    while let configuration = avcodec_get_hw_config(codec, index) {
        let facts = configuration.pointee
        if facts.device_type == AV_HWDEVICE_TYPE_VAAPI
            && facts.methods & Int32(AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX) != 0
        {
            isSupported = true
        }
        index += 1
    }
    guard isSupported else { return "libavcodec has no VAAPI for this codec" }
    var device: UnsafeMutablePointer<AVBufferRef>?
    let code = av_hwdevice_ctx_create(&device, AV_HWDEVICE_TYPE_VAAPI, nil, nil, 0)
    guard code >= 0 else {
        return "no VAAPI device: " + FFmpegFailure(call: "av_hwdevice_ctx_create", code: code).reason
    }
    context.pointee.hw_device_ctx = device
    context.pointee.get_format = { _, offered in
        guard let offered else { return AV_PIX_FMT_NONE }
        var first = AV_PIX_FMT_NONE
        var i = 0
        while offered[i] != AV_PIX_FMT_NONE {
            if offered[i] == AV_PIX_FMT_VAAPI { return AV_PIX_FMT_VAAPI }
            let isSurface = av_pix_fmt_desc_get(offered[i]).map {
                $0.pointee.flags & UInt64(AV_PIX_FMT_FLAG_HWACCEL) != 0
            }
            if first == AV_PIX_FMT_NONE && isSurface == false { first = offered[i] }
            i += 1
        }
        return first
    }
    return nil
}
