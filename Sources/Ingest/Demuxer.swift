internal import CFFmpeg
internal import Glibc
internal import Scene

/// An open container: gives the packets of its video stream. Owns the `AVFormatContext`.
final class Demuxer {
    /// What reading gave.
    enum Reading {
        /// A packet of the video stream was put into the given one.
        case packet
        /// The stream has another time base and codec from this packet on.
        case packetOfNewStream
        case end
        /// The file ends with an error: what there was has been read.
        case broken(FFmpegFailure)
    }

    let location: Location
    private(set) var context: UnsafeMutablePointer<AVFormatContext>
    private(set) var stream: UnsafeMutablePointer<AVStream>
    let isLive: Bool
    /// Whether a web server gave a single picture, to be asked for the next one.
    let isStill: Bool
    private let interruption: Interruption
    private let connection: ConnectionSettings
    private let streamsAtOpen: UInt32
    /// What `pipe:` reads; nil where libavformat opens what it reads.
    private let pipe: NamedPipe?
    /// Packets of the video stream so far.
    private(set) var packetCount = 0
    private let complaints: FFmpegComplaints?

    /// Opens and probes, each under its deadline when the location is remote.
    /// - Parameters:
    ///   - takesStills: whether a picture of a web server is the first of a stream.
    ///   - isNextStill: whether this is a later one.
    init(
        _ location: Location, connection: ConnectionSettings, interruption: Interruption, takesStills: Bool = false,
        isNextStill: Bool = false
    ) throws(IngestError) {
        silenceFFmpeg()
        self.location = location
        self.connection = connection
        self.interruption = interruption
        pipe = location.kind == .pipe ? try NamedPipe(location) : nil
        let pictures = av_find_input_format("image2pipe")
        var opened = try Self.open(location, pipe, connection, interruption, as: isNextStill ? pictures : nil)
        isStill = takesStills && location.isWeb && Self.holdsPictures(opened)
        // Taken for a file by its name, it would be fetched twice every time.
        if isStill, name(opened.pointee.iformat.pointee.name) == "image2" {
            Self.close(opened)
            opened = try Self.open(location, pipe, connection, interruption, as: pictures)
        }
        do {
            try Self.probe(opened, location, connection, interruption)
            stream = try Self.videoStream(of: opened, location)
        } catch {
            Self.close(opened)
            throw error
        }
        context = opened
        streamsAtOpen = opened.pointee.nb_streams
        let hasDuration = opened.pointee.duration > 0
        isLive = location.isWeb ? isStill || !hasDuration : location.isRealTime
        complaints = isLive ? FFmpegComplaints(of: opened) : nil
        ignoreOtherStreams()
    }

    deinit { Self.close(context) }

    private static func close(_ context: UnsafeMutablePointer<AVFormatContext>) {
        var closing: UnsafeMutablePointer<AVFormatContext>? = context
        avformat_close_input(&closing)
    }

    private static func open(
        _ location: Location, _ pipe: NamedPipe?, _ connection: ConnectionSettings, _ interruption: Interruption,
        as format: UnsafePointer<AVInputFormat>? = nil
    ) throws(IngestError) -> UnsafeMutablePointer<AVFormatContext> {
        guard let allocated = avformat_alloc_context() else {
            throw .failed(location: location.shown, call: "avformat_alloc_context", reason: "out of memory")
        }
        allocated.pointee.interrupt_callback = interruption.callback
        var options = openingOptions(location, connection)
        defer { options.free() }
        let format = location.kind == .device ? try deviceFormat(location) : format
        var context: UnsafeMutablePointer<AVFormatContext>? = allocated
        let code = interruption.limited(to: location.mayKeepSilent ? connection.connectTimeout : nil) {
            pipe?.waitForBytes(interruption)
            return avformat_open_input(&context, pipe?.url ?? location.url, format, &options.raw)
        }
        // avformat_open_input frees the context when it fails.
        guard code >= 0, let context else {
            let failure = FFmpegFailure(call: "avformat_open_input", code: code)
            if code == hcq_averror_invaliddata() && location.kind == .file { throw unreadable(location) }
            if code == hcq_averror_eof() && location.kind == .file {
                throw .nothingDecoded(location: location.shown, errors: 0)
            }
            throw failure.ingestError(at: location, .connect, limit: connection.connectTimeout, interruption)
        }
        // The ANSI-art demuxer takes any file named .txt or .nfo.
        if name(context.pointee.iformat.pointee.name) == "tty" {
            close(context)
            throw .isText(location: location.shown)
        }
        return context
    }

    /// Whether what is read are pictures without anything around them.
    var holdsPictures: Bool { Self.holdsPictures(context) }

    /// libavformat's `image2`, `image2pipe`, `jpeg_pipe`, `png_pipe`...
    private static func holdsPictures(_ context: UnsafeMutablePointer<AVFormatContext>) -> Bool {
        let format = name(context.pointee.iformat.pointee.name)
        return format == "image2" || format == "image2pipe" || format.hasSuffix("_pipe")
    }

    private static func openingOptions(_ location: Location, _ connection: ConnectionSettings) -> FFmpegOptions {
        var options = FFmpegOptions()
        switch location.kind {
        case .file, .pictures: options.set("pattern_type", "none")
        case .device, .pipe: break
        case .url(let scheme):
            let microseconds = String(Int64(max(connection.connectTimeout, connection.readTimeout) * 1e6))
            switch scheme {
            case "rtsp", "rtsps":
                options.set("rtsp_transport", connection.transport.rawValue)
                options.set("allowed_media_types", "video")
                options.set("timeout", microseconds)
                options.set("fpsprobesize", "0")
            case "http", "https": options.set("rw_timeout", microseconds)
            default: options.set("fpsprobesize", "0")
            }
        }
        return options
    }

    private static func probe(
        _ context: UnsafeMutablePointer<AVFormatContext>, _ location: Location, _ connection: ConnectionSettings,
        _ interruption: Interruption
    ) throws(IngestError) {
        do {
            let code = interruption.limited(to: location.mayKeepSilent ? connection.probeTimeout : nil) {
                avformat_find_stream_info(context, nil)
            }
            try check("avformat_find_stream_info", code)
        } catch {
            throw error.ingestError(at: location, .probe, limit: connection.probeTimeout, interruption)
        }
        if interruption.isInterrupted { throw .interrupted }
    }

    /// The stream that FFmpeg deems best; the cover picture of a song is none.
    private static func videoStream(
        of context: UnsafeMutablePointer<AVFormatContext>, _ location: Location
    ) throws(IngestError) -> UnsafeMutablePointer<AVStream> {
        let index = av_find_best_stream(context, AVMEDIA_TYPE_VIDEO, -1, -1, nil, 0)
        let streams = (0..<Int(context.pointee.nb_streams)).compactMap { context.pointee.streams[$0] }
        if index >= 0 {
            let stream = streams[Int(index)]
            if stream.pointee.disposition & AV_DISPOSITION_ATTACHED_PIC == 0 { return stream }
        }
        throw .noVideo(location: location.shown, streams: streams.map(describe))
    }

    /// `audio aac`.
    static func describe(_ stream: UnsafeMutablePointer<AVStream>) -> String {
        if stream.pointee.disposition & AV_DISPOSITION_ATTACHED_PIC != 0 { return "a cover picture" }
        let parameters = stream.pointee.codecpar.pointee
        return "\(name(av_get_media_type_string(parameters.codec_type))) \(name(avcodec_get_name(parameters.codec_id)))"
    }

    /// Tells why libavformat found nothing in a file.
    private static func unreadable(_ location: Location) -> IngestError {
        let descriptor = Glibc.open(location.path, O_RDONLY)
        guard descriptor >= 0 else { return .accessDenied(location: location.shown) }
        defer { Glibc.close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = max(0, Glibc.read(descriptor, &bytes, bytes.count))
        if count == 0 { return .emptyFile(location: location.shown) }
        let start = bytes.prefix(count)
        if start.dropFirst(4).starts(with: "ftyp".utf8) { return .missingIndex(location: location.shown) }
        let controls = start.filter { $0 < 32 && !(9...13).contains($0) && $0 != 27 }.count
        return controls == 0 ? .isText(location: location.shown) : .unknownFormat(location: location.shown)
    }

    private func ignoreOtherStreams() {
        for i in 0..<Int(streamsAtOpen) {
            guard let other = context.pointee.streams[i], other != stream else { continue }
            other.pointee.discard = AVDISCARD_ALL
        }
    }

    /// Names of the other streams.
    var otherStreams: [String] {
        (0..<Int(streamsAtOpen)).compactMap { context.pointee.streams[$0] }.filter { $0 != stream }.map(Self.describe)
    }

    /// Reads on to the next packet of the video stream.
    /// - Throws: for remote locations, when the read fails or its deadline passes.
    func read(into packet: UnsafeMutablePointer<AVPacket>) throws(IngestError) -> Reading {
        while true {
            if interruption.isInterrupted { throw .interrupted }
            let code = interruption.limited(to: location.mayKeepSilent ? connection.readTimeout : nil) {
                av_read_frame(context, packet)
            }
            if code == hcq_averror_eof() { return .end }
            if code == hcq_averror(EAGAIN) { continue }
            if code < 0 {
                let failure = FFmpegFailure(call: "av_read_frame", code: code)
                if interruption.isInterrupted { throw .interrupted }
                // A pipe whose time was up while it was probed ends with the same error again.
                let isLate = interruption.isPastDeadline || code == hcq_averror_exit()
                if packetCount == 0, !isLate, isBeyondReach { throw .indexAtEnd(location: location.shown) }
                if !location.isRemote, !isLate { return .broken(failure) }
                throw failure.ingestError(at: location, .read, limit: connection.readTimeout, interruption)
            }
            if packet.pointee.stream_index == stream.pointee.index {
                packetCount += 1
                return .packet
            }
            // A program change of MPEG-TS brings the video under a new index.
            let index = Int(packet.pointee.stream_index)
            if index >= Int(streamsAtOpen), let found = context.pointee.streams[index],
                found.pointee.codecpar.pointee.codec_type == AVMEDIA_TYPE_VIDEO
            {
                stream = found
                packetCount += 1
                return .packetOfNewStream
            }
            av_packet_unref(packet)
        }
    }

    /// Whether this is an MP4 that comes through a pipe or from a server that gives no parts: it has been read to the
    /// index at its end.
    private var isBeyondReach: Bool {
        name(context.pointee.iformat.pointee.name).hasPrefix("mov,") && context.pointee.pb?.pointee.seekable == 0
    }

    /// Whether the network lost something since this was last asked: the last packet, which was put together from what
    /// came, lacks a part.
    func takeLosses() -> Bool { complaints?.take() ?? false }

    /// Whether seeking to a time lands exactly: containers with an index of key frames.
    var seeksExactly: Bool {
        let format = name(context.pointee.iformat.pointee.name)
        return !isLive && (format.hasPrefix("mov,") || format.hasPrefix("matroska,"))
    }

    /// Goes to the last key frame at or before `stamp` of the stream's time base; false leaves the position as it was.
    func seek(to stamp: Int64) -> Bool {
        av_seek_frame(context, stream.pointee.index, stamp, AVSEEK_FLAG_BACKWARD) >= 0
    }
}
