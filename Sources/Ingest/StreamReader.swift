internal import CFFmpeg
internal import Glibc
internal import Scene

/// A decoded picture's own time, in microseconds.
struct PictureStamp {
    /// nil when the stream does not say.
    var presentation: Int64?
    /// How long it is shown, guessed from the frame rate when the stream does not say.
    var duration: Int64
}

/// A container and its decoder: pictures in presentation order. Each picture of a file comes out once.
///
/// How a fault is concealed depends on the timing of decoder threads. So several threads decode strictly, up to the
/// first fault; there the file is opened again and one thread, which conceals, goes on where they ended.
final class StreamReader {
    private(set) var demuxer: Demuxer
    private(set) var decoder: PictureDecoder
    /// Facts met since they were last taken.
    private(set) var findings: [IngestWarning] = []
    private let settings: SourceSettings
    private let interruption: Interruption
    private var packet: UnsafeMutablePointer<AVPacket>?
    /// The packet that waits for the decoder of a changed stream.
    private var heldPacket: UnsafeMutablePointer<AVPacket>?
    private var isDraining = false
    /// Of a camera whose pictures may come in pieces.
    private var joiner: PictureJoiner?
    private var isOver = false
    private var timeBase: AVRational
    private var errorsOfFormerDecoders = 0
    private var gapsOfFormerDecoders = 0
    private(set) var lastPacketIsPartial = false
    /// Why reading ended, when it was not at the end.
    private(set) var readFailure: FFmpegFailure?
    /// Where `seek` went; nil before it.
    private var seekTarget: Int64?
    /// Pictures given since the start or the seek.
    private var givenCount = 0
    private var isStrict: Bool
    /// When a still picture was last asked for, monotonic nanoseconds.
    private var askedAt = monotonicNanoseconds()

    var hasSought: Bool { seekTarget != nil }

    init(_ location: Location, settings: SourceSettings, interruption: Interruption) throws(IngestError) {
        demuxer = try Demuxer(
            location, connection: settings.connection, interruption: interruption,
            takesStills: settings.stillFPS != nil)
        self.settings = settings
        self.interruption = interruption
        timeBase = demuxer.stream.pointee.time_base
        let codec = demuxer.stream.pointee.codecpar.pointee.codec_id
        // With more, a fault is repaired by reading everything again.
        let isReadOnce = demuxer.isLive || location.kind == .pipe
        let threads = isReadOnce ? 1 : Self.threads(settings, for: codec)
        isStrict = threads > 1 && Self.strictCodecs.contains(codec)
        decoder = try PictureDecoder(
            demuxer.stream, threads: threads, isLive: demuxer.isLive, isStrict: isStrict,
            hardware: settings.connection.hardware, location: location)
        packet = av_packet_alloc()
        joiner = makeJoiner()
        if let reason = decoder.hardwareRefusal { findings.append(.hardwareUnavailable(reason: reason)) }
    }

    deinit {
        av_packet_free(&packet)
        av_packet_free(&heldPacket)
    }

    /// Codecs whose decoders, with threads and told to be strict, give an error for every fault. (MPEG-4's aborts the
    /// process in FFmpeg 5.1: "Assertion frame->buf[0] failed".)
    private static let strictCodecs = [AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_VP9, AV_CODEC_ID_AV1]

    /// Decoder threads for a file: as asked where the pictures do not depend on it, else 1. The older codecs that are
    /// left with one thread are the light ones.
    private static func threads(_ settings: SourceSettings, for codec: AVCodecID) -> Int {
        let properties = avcodec_descriptor_get(codec).map { Int32($0.pointee.props) } ?? 0
        guard strictCodecs.contains(codec) || properties & AV_CODEC_PROP_INTRA_ONLY != 0 else { return 1 }
        return min(16, settings.threads > 0 ? settings.threads : max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))))
    }

    /// Packets that could not be decoded so far.
    var decodeErrors: Int { errorsOfFormerDecoders + decoder.errorCount }

    /// Places where pictures are missing from a live stream so far.
    var gapCount: Int { gapsOfFormerDecoders + decoder.gapCount }

    func takeFindings() -> [IngestWarning] {
        defer { findings.removeAll() }
        return findings
    }

    /// Decodes the next picture into `frame`; nil at the end of the stream.
    func next(into frame: UnsafeMutablePointer<AVFrame>) throws(IngestError) -> PictureStamp? {
        if demuxer.isStill { return try nextStill(into: frame) }
        let stamp = try decodeNext(into: frame)
        let isFaulty = decodeErrors > 0 || (stamp != nil && isDamaged(frame))
        guard isStrict && isFaulty else {
            givenCount += 1
            return stamp
        }
        try startAgainWithOneThread(frame)
        givenCount += 1
        return try decodeNext(into: frame)
    }

    /// What is left of the last answer, else the next answer, asked for when it is time; it may take as long as a packet of
    /// other cameras.
    private func nextStill(into frame: UnsafeMutablePointer<AVFrame>) throws(IngestError) -> PictureStamp {
        let duration = 1 / (settings.stillFPS ?? 1)
        func stamp() -> PictureStamp {
            PictureStamp(presentation: monotonicNanoseconds() / 1000, duration: Int64(duration * 1e6))
        }
        if try decodeNext(into: frame) != nil { return stamp() }
        try interruption.wait(until: askedAt + Int64(duration * 1e9))
        askedAt = monotonicNanoseconds()
        let (location, limit) = (demuxer.location, settings.connection.readTimeout)
        interruption.limitAll(to: limit)
        defer { interruption.limitAll(to: nil) }
        do throws(IngestError) {
            demuxer = try Demuxer(
                location, connection: settings.connection, interruption: interruption, takesStills: true,
                isNextStill: true)
            try reopenDecoder()
            isOver = false
            if try decodeNext(into: frame) != nil { return stamp() }
        } catch .timedOut {
            throw .timedOut(location: location.shown, stage: .read, seconds: limit)
        }
        throw .nothingDecoded(location: location.shown, errors: decodeErrors)
    }

    private func startAgainWithOneThread(_ frame: UnsafeMutablePointer<AVFrame>) throws(IngestError) {
        isStrict = false
        demuxer = try Demuxer(demuxer.location, connection: settings.connection, interruption: interruption)
        timeBase = demuxer.stream.pointee.time_base
        decoder = try PictureDecoder(
            demuxer.stream, threads: 1, isLive: demuxer.isLive, isStrict: false,
            hardware: settings.connection.hardware, location: demuxer.location)
        av_packet_free(&heldPacket)
        (errorsOfFormerDecoders, isDraining, isOver, readFailure) = (0, false, false, nil)
        if let seekTarget { _ = demuxer.seek(to: av_rescale_q(seekTarget, hcq_time_base_q(), timeBase)) }
        for _ in 0..<givenCount {
            guard try decodeNext(into: frame) != nil else { break }
            av_frame_unref(frame)
        }
        findings.removeAll { if case .codecChanged = $0 { true } else { false } }
    }

    /// How much longer than for data a camera is waited for a picture, seconds: key frames may be far apart.
    private static let keyFramePatience = 20.0

    private func decodeNext(into frame: UnsafeMutablePointer<AVFrame>) throws(IngestError) -> PictureStamp? {
        let limit = settings.connection.readTimeout + Self.keyFramePatience
        let end = demuxer.location.mayKeepSilent ? monotonicNanoseconds() + Int64(limit * 1e9) : .max
        while true {
            switch decoder.receive(into: frame) {
            case .picture: return stamp(of: frame)
            case .needsPacket:
                // Data that never becomes a picture: each packet is in time, the picture is not.
                guard monotonicNanoseconds() < end else {
                    throw .timedOut(location: demuxer.location.shown, stage: .picture, seconds: limit)
                }
                try feed()
            case .end:
                guard let held = heldPacket else { return nil }
                try reopenDecoder()
                decoder.send(held)
                av_packet_free(&heldPacket)
            }
            // No need to go on: the file is read again anyway.
            if isStrict && decodeErrors > 0 { return nil }
        }
    }

    private func makeJoiner() -> PictureJoiner? {
        let parameters = demuxer.stream.pointee.codecpar.pointee
        guard demuxer.isLive, parameters.codec_id == AV_CODEC_ID_H264 else { return nil }
        return PictureJoiner(
            extradata: UnsafeBufferPointer(start: parameters.extradata, count: Int(parameters.extradata_size)))
    }

    private func feed() throws(IngestError) {
        if let whole = joiner?.next() {
            var packet: UnsafeMutablePointer<AVPacket>? = whole.packet
            defer { av_packet_free(&packet) }
            return decoder.send(packet, isTorn: whole.isTorn)
        }
        guard let packet, !isOver else { return drain() }
        let reading = try demuxer.read(into: packet)
        defer { av_packet_unref(packet) }
        switch reading {
        case .end: end()
        case .broken(let failure):
            readFailure = failure
            end()
        case .packet, .packetOfNewStream:
            lastPacketIsPartial = packet.pointee.flags & AV_PKT_FLAG_CORRUPT != 0
            if demuxer.stream.pointee.codecpar.pointee.codec_id == decoder.codecID, case .packet = reading {
                let isTorn = demuxer.takeLosses()
                if let joiner {
                    joiner.add(packet, isTorn: isTorn)
                } else {
                    decoder.send(packet, isTorn: isTorn, isCut: isCutPhotograph(packet))
                }
            } else {
                heldPacket = av_packet_clone(packet)
                drain()
            }
        }
    }

    /// Whether this is a JPEG file that ends before its picture does, which libavcodec fills up without a word.
    private func isCutPhotograph(_ packet: UnsafeMutablePointer<AVPacket>) -> Bool {
        guard demuxer.holdsPictures, !demuxer.isLive, decoder.codecID == AV_CODEC_ID_MJPEG else { return false }
        return endsInsideScan(UnsafeBufferPointer(start: packet.pointee.data, count: Int(packet.pointee.size)))
    }

    /// What the joiner holds goes out before the decoder is drained.
    private func end() {
        isOver = true
        joiner?.finish()
        if joiner == nil { drain() }
    }

    private func drain() {
        isDraining = true
        decoder.send(nil)
    }

    private func reopenDecoder() throws(IngestError) {
        let former = decoder.title
        errorsOfFormerDecoders += decoder.errorCount
        gapsOfFormerDecoders += decoder.gapCount
        decoder = try PictureDecoder(
            demuxer.stream, threads: 1, isLive: demuxer.isLive, isStrict: false,
            hardware: settings.connection.hardware, location: demuxer.location)
        timeBase = demuxer.stream.pointee.time_base
        joiner = makeJoiner()
        isDraining = false
        if !demuxer.isStill || former != decoder.title {
            findings.append(.codecChanged(from: former, to: decoder.title))
        }
    }

    /// Goes to the key frame at or before a time; false leaves the position as it was.
    func seek(toMicroseconds time: Int64) -> Bool {
        guard demuxer.seeksExactly, !isDraining else { return false }
        guard demuxer.seek(to: av_rescale_q(time, hcq_time_base_q(), timeBase)) else { return false }
        decoder.flush()
        seekTarget = time
        givenCount = 0
        return true
    }

    private func isDamaged(_ frame: UnsafeMutablePointer<AVFrame>) -> Bool {
        frame.pointee.decode_error_flags != 0 || frame.pointee.flags & AV_FRAME_FLAG_CORRUPT != 0
    }

    private func stamp(of frame: UnsafeMutablePointer<AVFrame>) -> PictureStamp {
        let best = frame.pointee.best_effort_timestamp
        let microseconds = hcq_time_base_q()
        var duration =
            frame.pointee.pkt_duration > 0 ? av_rescale_q(frame.pointee.pkt_duration, timeBase, microseconds) : 0
        if duration <= 0 { duration = Int64(1_000_000 / (framesPerSecond ?? 25)) }
        return PictureStamp(
            presentation: best == hcq_nopts_value() ? nil : av_rescale_q(best, timeBase, microseconds),
            duration: duration)
    }

    /// The declared or estimated average frame rate.
    var framesPerSecond: Double? {
        if demuxer.isStill { return settings.stillFPS }
        // What libavformat says then is what it makes up.
        if demuxer.isLive && !demuxer.hasTimeStamps { return nil }
        let stream = demuxer.stream.pointee
        for rate in [stream.avg_frame_rate, stream.r_frame_rate] where rate.num > 0 && rate.den > 0 {
            let value = av_q2d(rate)
            if (0.001...1000).contains(value) { return value }
        }
        return nil
    }

    /// Seconds of video that the container declares; nil when it does not, or only for all streams together.
    var declaredDuration: Double? {
        let stream = demuxer.stream.pointee
        // libavformat shortens an AVI's duration to what is there; its header still counts all frames.
        if name(demuxer.context.pointee.iformat.pointee.name) == "avi", stream.nb_frames > 0, let fps = framesPerSecond
        {
            return Double(stream.nb_frames) / fps
        }
        if stream.duration != hcq_nopts_value() && stream.duration > 0 {
            return Double(stream.duration) * av_q2d(stream.time_base)
        }
        let context = demuxer.context.pointee
        // The reader of MPEG streams estimates; only a header declares.
        guard context.duration != hcq_nopts_value(), context.duration > 0,
            context.duration_estimation_method == AVFMT_DURATION_FROM_STREAM || context.nb_streams == 1
        else { return nil }
        return Double(context.duration) / 1_000_000
    }
}
