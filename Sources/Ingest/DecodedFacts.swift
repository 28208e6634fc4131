internal import CFFmpeg
internal import Scene

extension Orientation {
    /// The orientation that a stream declares.
    init(of stream: UnsafeMutablePointer<AVStream>) {
        self.init()
        var size = 0
        guard let data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size), size >= 36 else { return }
        self.init(displayMatrix: UnsafeRawPointer(data).assumingMemoryBound(to: Int32.self))
    }

    /// The orientation that a picture itself declares (EXIF); nil when it does not.
    init?(of frame: UnsafeMutablePointer<AVFrame>) {
        guard let side = av_frame_get_side_data(frame, AV_FRAME_DATA_DISPLAYMATRIX), side.pointee.size >= 36,
            let data = side.pointee.data
        else { return nil }
        self.init(displayMatrix: UnsafeRawPointer(data).assumingMemoryBound(to: Int32.self))
    }
}

/// A decoded picture's size as the decoder gives it.
func storedSize(of frame: UnsafeMutablePointer<AVFrame>) -> PixelSize {
    PixelSize(width: Int(frame.pointee.width), height: Int(frame.pointee.height))
}

extension PictureGeometry {
    /// The geometry of a decoded picture; what it does not say itself the stream says.
    init(
        _ frame: UnsafeMutablePointer<AVFrame>, streamAspect: Double, _ streamOrientation: Orientation,
        _ input: PixelSize
    ) {
        let ratio = frame.pointee.sample_aspect_ratio
        self.init(
            stored: storedSize(of: frame),
            aspect: ratio.num > 0 && ratio.den > 0 ? av_q2d(ratio) : streamAspect,
            orientation: Orientation(of: frame) ?? streamOrientation, input: input)
    }
}

extension DecodedPicture {
    /// Keeps the decoder's buffer alive; nothing is copied.
    convenience init?(keeping frame: UnsafeMutablePointer<AVFrame>, _ geometry: PictureGeometry, _ color: PictureColor)
    {
        guard let kept = av_frame_clone(frame) else { return nil }
        let planes = (0..<4).compactMap { plane in
            data(kept, plane).map { Plane(data: UnsafePointer($0), stride: stride(kept, plane)) }
        }
        let holder = FrameHolder(frame: kept)
        self.init(
            planes: planes, storedSize: geometry.stored, format: frame.pointee.format,
            colorSpace: Int32(color.matrix.rawValue), colorRange: Int32(color.range.rawValue),
            orientation: geometry.orientation, release: { holder.free() })
    }
}

/// Carries a frame into the closure that frees it.
private struct FrameHolder: @unchecked Sendable {
    let frame: UnsafeMutablePointer<AVFrame>

    func free() {
        var freed: UnsafeMutablePointer<AVFrame>? = frame
        av_frame_free(&freed)
    }
}

extension Demuxer {
    /// Whether time-stamps may jump without anything missing: MPEG-TS, RTP and other broadcasts.
    var mayJump: Bool { isLive && !isStill || context.pointee.iformat.pointee.flags & AVFMT_TS_DISCONT != 0 }

    /// Whether the format has time-stamps of its own: JPEGs one after the other and bare streams of a codec have none.
    var hasTimeStamps: Bool {
        let format = context.pointee.iformat.pointee
        return format.flags & AVFMT_NOTIMESTAMPS == 0
            && !["h264", "hevc", "m4v", "mpegvideo", "obu"].contains(name(format.name))
    }

    /// Microseconds since 1970 at which the recording says it was made.
    var creationTime: Int64? {
        for metadata in [context.pointee.metadata, stream.pointee.metadata] {
            guard let entry = av_dict_get(metadata, "creation_time", nil, 0), let text = entry.pointee.value else {
                continue
            }
            var time: Int64 = 0
            if av_parse_time(&time, text, 0) >= 0 { return time }
        }
        return nil
    }
}

extension StreamInfo {
    /// What a container and its video stream declare.
    init(_ reader: StreamReader, _ location: Location, _ settings: SourceSettings, _ orientation: Orientation) {
        let demuxer = reader.demuxer
        let context = demuxer.context.pointee
        let parameters = demuxer.stream.pointee.codecpar.pointee
        let guessed = av_guess_sample_aspect_ratio(demuxer.context, demuxer.stream, nil)
        let aspect = guessed.num > 0 && guessed.den > 0 ? av_q2d(guessed) : 1
        let format = AVPixelFormat(parameters.format)
        let stored = PixelSize(width: Int(parameters.width), height: Int(parameters.height))
        let duration = context.duration > 0 ? Double(context.duration) / 1_000_000 : nil
        self.init(
            location: location.shown, isLive: demuxer.isLive, container: name(context.iformat.pointee.name),
            codec: name(avcodec_get_name(parameters.codec_id)),
            profile: avcodec_profile_name(parameters.codec_id, parameters.profile).map { String(cString: $0) },
            stored: stored, format: format,
            color: PictureColor(
                format: format, matrix: parameters.color_space, range: parameters.color_range, lines: stored.height),
            aspect: aspect, orientation: orientation, settings)
        isInterlaced = [AV_FIELD_TT, AV_FIELD_BB, AV_FIELD_TB, AV_FIELD_BT].contains(parameters.field_order)
        fps = reader.framesPerSecond
        isStill = demuxer.isStill
        self.duration = demuxer.isLive ? nil : reader.declaredDuration ?? duration
        if !demuxer.isLive {
            frameCount = estimate(packets: Int(demuxer.stream.pointee.nb_frames), settings)
            startTimeUTC = settings.startTimeUTC ?? demuxer.creationTime ?? 0
        }
        bitRate = [parameters.bit_rate, context.bit_rate].first { $0 > 0 }.map { Int($0) }
        otherStreams = demuxer.otherStreams
        decoder = reader.decoder.title
        threads = reader.decoder.threads
    }

    /// What a folder's first readable picture, in `frame`, tells.
    init(
        _ reader: PictureReader, _ frame: UnsafeMutablePointer<AVFrame>, _ location: Location,
        _ settings: SourceSettings
    ) {
        let format = AVPixelFormat(frame.pointee.format)
        let geometry = PictureGeometry(frame, streamAspect: 1, .upright, settings.inputSize)
        let ratio = frame.pointee.sample_aspect_ratio
        self.init(
            location: location.shown, isLive: false, container: "pictures", codec: reader.codec, profile: nil,
            stored: geometry.stored, format: format,
            color: PictureColor(
                format: format, matrix: frame.pointee.colorspace, range: frame.pointee.color_range,
                lines: geometry.stored.height),
            aspect: ratio.num > 0 && ratio.den > 0 ? av_q2d(ratio) : 1, orientation: geometry.orientation, settings)
        fps = reader.fps
        duration = Double(reader.paths.count) / reader.fps
        frameCount = estimate(packets: reader.paths.count, settings)
        startTimeUTC = settings.startTimeUTC ?? 0
    }

    private init(
        location: String, isLive: Bool, container: String, codec: String, profile: String?, stored: PixelSize,
        format: AVPixelFormat, color: PictureColor, aspect: Double, orientation: Orientation, _ settings: SourceSettings
    ) {
        let known = PixelSize(width: max(1, stored.width), height: max(1, stored.height))
        let geometry = PictureGeometry(
            stored: known, aspect: aspect, orientation: orientation, input: settings.inputSize)
        self.init(
            location: location, isLive: isLive, container: container, codec: codec, profile: profile,
            pixelFormat: name(av_get_pix_fmt_name(format)), storedSize: stored, displaySize: geometry.display,
            sampleAspectRatio: aspect, rotation: orientation.quarterTurns * 90, isMirrored: orientation.isMirrored,
            isInterlaced: false, colorMatrix: name(av_color_space_name(color.matrix)),
            colorRange: name(av_color_range_name(color.range)), fps: nil, duration: nil, frameCount: nil, bitRate: nil,
            startTimeUTC: nil, otherStreams: [], decoder: codec, threads: 1, inputSize: settings.inputSize,
            contentSize: geometry.content)
    }

    /// Frames that will be delivered of so many in the container.
    private func estimate(packets: Int, _ settings: SourceSettings) -> Int? {
        guard let duration, let fps, duration > 0 else { return packets > 0 ? packets : nil }
        let isWhole = settings.start == nil && settings.end == nil && settings.sampleFPS == nil
        if isWhole && packets > 0 { return packets }
        let range = max(0, min(settings.end ?? duration, duration) - (settings.start ?? 0))
        return Int((range * min(settings.sampleFPS ?? fps, fps)).rounded())
    }
}
