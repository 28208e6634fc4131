internal import CFFmpeg
public import Scene

/// A file, folder of pictures, camera or stream as a sequence of frames.
///
/// Used from one thread, which it blocks; only `interrupt()` may be called from others. It never retries: who wants the
/// camera back makes a new source. The same file gives the same frames, for any number of threads.
public final class VideoSource: @unchecked Sendable {
    private enum Input {
        case stream(StreamReader)
        case pictures(PictureReader)
    }

    public private(set) var info: StreamInfo
    /// Facts met on the way, each once, in the order of their first appearance, with the newest counts.
    public private(set) var warnings: [IngestWarning] = []
    private var news: [IngestWarning] = []
    /// What became of the stream's pictures so far.
    public private(set) var statistics = IngestStatistics()

    private let camera: CameraID
    private var settings: SourceSettings
    private let location: Location
    private let interruption: Interruption
    private let input: Input
    private var scaler: PictureScaler
    private let streamOrientation: Orientation
    private let frame: UnsafeMutablePointer<AVFrame>
    /// The first of several pictures or the only one, decoded to know what there is.
    private var waiting: PictureStamp?

    private var timeline: Timeline
    private var sampler: FrameSampler
    private var arrival = ArrivalClock()
    private var trust = StampTrust(isLost: false)
    private var lastArrival: Int64?
    private var lastDuration: Int64 = 40_000
    private var lastTime: StreamTime?
    private var lastDisplaySize: PixelSize?
    private var lastStoredSize: PixelSize?
    private var repairedCount = 0
    private var droppedInARow = 0
    private var waitsForKeyFrame = false
    private var isFinished = false

    /// Opens and probes a source; blocks until it is known what it holds.
    ///
    /// - Parameters:
    ///   - location: a path, a folder, a shell pattern, a device or a URL.
    ///   - shownAs: what people see of `location`; nil is `location` without credentials.
    ///   - interruption: stops a connection attempt from another thread.
    /// - Throws: `IngestError`, whose text names the location without credentials.
    public init(
        _ location: String, shownAs: String? = nil, camera: CameraID, settings: SourceSettings,
        interruption: Interruption = Interruption()
    ) throws(IngestError) {
        precondition(settings.picturesFPS > 0, "a frame rate is positive")
        self.camera = camera
        self.interruption = interruption
        let place = try Location(location, shown: shownAs)
        self.location = place
        var settings = settings
        if place.kind == .pipe, settings.isPatientWithPipes { settings.connection.waitForYears() }
        self.settings = settings
        scaler = PictureScaler(inputSize: settings.inputSize)
        sampler = FrameSampler(fps: settings.sampleFPS)
        guard let frame = av_frame_alloc() else {
            throw .failed(location: place.shown, call: "av_frame_alloc", reason: "out of memory")
        }
        self.frame = frame
        do throws(IngestError) {
            if case .pictures(let paths) = place.kind {
                let reader = PictureReader(paths, fps: settings.picturesFPS, interruption: interruption)
                input = .pictures(reader)
                waiting = try reader.next(into: frame)
                if waiting == nil { throw IngestError.nothingDecoded(location: place.shown, errors: paths.count) }
                streamOrientation = .upright
                timeline = Timeline(mayJump: false)
                info = StreamInfo(reader, frame, place, settings)
            } else {
                let reader = try StreamReader(place, settings: settings, interruption: interruption)
                input = .stream(reader)
                // Only the picture itself knows its EXIF orientation.
                if reader.demuxer.holdsPictures { waiting = try reader.next(into: frame) }
                let ofPicture = waiting.flatMap { _ in Orientation(of: frame) }
                streamOrientation = ofPicture ?? Orientation(of: reader.demuxer.stream)
                timeline = Timeline(mayJump: reader.demuxer.mayJump)
                trust = StampTrust(isLost: reader.demuxer.isLive && !reader.demuxer.hasTimeStamps)
                // As many are asked for as are wanted.
                if reader.demuxer.isStill { sampler = FrameSampler(fps: nil) }
                info = StreamInfo(reader, place, settings, streamOrientation)
            }
        } catch {
            var frame: UnsafeMutablePointer<AVFrame>? = frame
            av_frame_free(&frame)
            throw error
        }
    }

    deinit {
        var frame: UnsafeMutablePointer<AVFrame>? = frame
        av_frame_free(&frame)
    }

    /// Chooses another input of the network, now that it is known what is shown; before the first frame.
    public func fit(_ inputSize: PixelSize) {
        settings.inputSize = inputSize
        scaler = PictureScaler(inputSize: inputSize)
        switch input {
        case .pictures(let reader): info = StreamInfo(reader, frame, location, settings)
        case .stream(let reader): info = StreamInfo(reader, location, settings, streamOrientation)
        }
    }

    /// Makes a blocked call, and every later one, end with `IngestError.interrupted`. From any thread.
    public func interrupt() { interruption.interrupt() }

    /// The warnings that came or grew since this was last called.
    public func takeNews() -> [IngestWarning] {
        defer { news.removeAll() }
        return news
    }

    /// Blocks until the next frame; nil at the end of the stream or of the range that was asked for.
    public func next() throws(IngestError) -> Frame? {
        while !isFinished {
            guard let stamp = try nextPicture() else {
                try finish()
                return nil
            }
            defer { av_frame_unref(frame) }
            if let frame = try accept(stamp) { return frame }
        }
        return nil
    }

    private func nextPicture() throws(IngestError) -> PictureStamp? {
        if interruption.isInterrupted { throw .interrupted }
        if let first = waiting {
            waiting = nil
            return first
        }
        switch input {
        case .pictures(let reader):
            let stamp = try reader.next(into: frame)
            if let unreadable = reader.unreadable, statistics.decodeErrors != unreadable.count {
                statistics.decodeErrors = unreadable.count
                warn(.unreadablePictures(count: unreadable.count, first: unreadable.first))
            }
            return stamp
        case .stream(let reader):
            let stamp = try reader.next(into: frame)
            for finding in reader.takeFindings() { warn(finding) }
            if reader.decodeErrors != statistics.decodeErrors {
                statistics.decodeErrors = reader.decodeErrors
                warn(.decodeErrors(count: statistics.decodeErrors))
                if info.isLive { waitsForKeyFrame = true }
            }
            if reader.gapCount != statistics.gaps {
                statistics.gaps = reader.gapCount
                warn(.missingPictures(gaps: statistics.gaps))
            }
            return stamp
        }
    }

    /// Decides about a decoded picture and makes a frame of it; nil when it is not wanted.
    private func accept(_ stamp: PictureStamp) throws(IngestError) -> Frame? {
        guard passesDamageCheck() else { return nil }
        let time = moment(of: stamp)
        statistics.count(isKey: frame.pointee.key_frame != 0)
        lastDuration = stamp.duration
        if statistics.decoded == 1 { try skipAhead(from: stamp) }
        if let end = settings.end, time.seconds >= end {
            isFinished = true
            return nil
        }
        if let start = settings.start, time.seconds < start { return nil }
        guard sampler.wants(time.microseconds) else { return nil }
        return try makeFrame(at: time)
    }

    /// Cameras: pictures that build on damage are left out until a key frame. Files: they are counted.
    private func passesDamageCheck() -> Bool {
        let isDamaged =
            isTorn || frame.pointee.decode_error_flags != 0 || frame.pointee.flags & AV_FRAME_FLAG_CORRUPT != 0
        if isDamaged { statistics.damaged += 1 }
        guard info.isLive else {
            if isDamaged { warn(.damagedPictures(count: statistics.damaged)) }
            return !(isDamaged && hasStrangeSize) || drop()
        }
        let followsGap = followsGap
        if isDamaged || followsGap { waitsForKeyFrame = true }
        guard waitsForKeyFrame else { return true }
        // A stream with intra refresh has no key frames; after 300 pictures it has healed.
        if !isDamaged && (frame.pointee.key_frame != 0 || droppedInARow >= 300) {
            waitsForKeyFrame = false
            droppedInARow = 0
            return true
        }
        droppedInARow += 1
        return drop()
    }

    private var isTorn: Bool {
        if case .stream(let reader) = input { reader.decoder.isTorn(frame) } else { false }
    }

    private var followsGap: Bool {
        if case .stream(let reader) = input { reader.decoder.followsGap(frame) } else { false }
    }

    /// A damaged header can claim any size; a true change of size comes undamaged.
    private var hasStrangeSize: Bool {
        lastStoredSize.map { $0 != storedSize(of: frame) } ?? false
    }

    private func drop() -> Bool {
        statistics.dropped += 1
        warn(.droppedPictures(count: statistics.dropped))
        return false
    }

    private func moment(of stamp: PictureStamp) -> StreamTime {
        let monotonic = monotonicNanoseconds() / 1000
        let step = info.isLive ? lastArrival.map { monotonic - $0 } ?? lastDuration : lastDuration
        lastArrival = monotonic
        var (microseconds, finding) = timeline.advance(stamp: trust.isLost ? nil : stamp.presentation, step: step)
        if trust.isLost { finding = .regular }
        if info.isLive, trust.note(stream: microseconds, monotonic: monotonic, isJump: finding.isJump) {
            warn(.datedByArrival)
            arrival.restart()
        }
        if finding.isJump { arrival.restart() }
        var utc = (info.startTimeUTC ?? 0) + microseconds
        var clockStep: Int64 = 0
        if info.isLive {
            (utc, clockStep) = arrival.stamp(stream: microseconds, monotonic: monotonic, wall: wallMicroseconds())
        }
        let time = StreamTime(microseconds: microseconds, utcMicroseconds: utc)
        if clockStep != 0 { warn(.clockStepped(at: time, seconds: Double(clockStep) / 1_000_000)) }
        switch finding {
        case .regular: break
        case .repaired where statistics.decoded == 0: break
        case .repaired:
            repairedCount += 1
            warn(.repairedTimeStamps(count: repairedCount))
        case .jump(let jump): warn(.discontinuity(at: time, jump: Double(jump) / 1_000_000))
        }
        lastTime = time
        return time
    }

    /// Goes near the start of the range where the container can; decoding the rest of the way makes it exact.
    private func skipAhead(from stamp: PictureStamp) throws(IngestError) {
        guard let start = settings.start, start > 10, let first = stamp.presentation, case .stream(let reader) = input
        else { return }
        if reader.seek(toMicroseconds: first + Int64(start * 1_000_000)) { timeline.goBack() }
    }

    private func makeFrame(at time: StreamTime) throws(IngestError) -> Frame {
        let deinterlaced = frame.pointee.interlaced_frame != 0 ? Deinterlacer.deinterlaced(frame) : nil
        let picture = deinterlaced ?? frame
        defer {
            var spent = deinterlaced
            av_frame_free(&spent)
        }
        let geometry =
            settings.isUpright
            ? PictureGeometry(picture, streamAspect: info.sampleAspectRatio, streamOrientation, settings.inputSize)
            : PictureGeometry(
                stored: storedSize(of: picture), aspect: 1, orientation: .upright, input: settings.inputSize)
        let color = PictureColor(
            format: AVPixelFormat(picture.pointee.format), matrix: picture.pointee.colorspace,
            range: picture.pointee.color_range, lines: geometry.stored.height)
        guard let input = scaler.scale(picture, geometry, color) else {
            throw .cannotScale(
                location: location.shown, format: name(av_get_pix_fmt_name(AVPixelFormat(picture.pointee.format))),
                width: geometry.stored.width, height: geometry.stored.height)
        }
        noteSize(geometry.display, at: time)
        lastStoredSize = geometry.stored
        defer { statistics.delivered += 1 }
        return Frame(
            camera: camera, time: time, index: statistics.delivered, size: geometry.display, input: input,
            picture: settings.keepPicture ? DecodedPicture(keeping: picture, geometry, color) : nil)
    }

    private func noteSize(_ size: PixelSize, at time: StreamTime) {
        defer { lastDisplaySize = size }
        guard let last = lastDisplaySize, last != size, case .stream = input else { return }
        warn(.sizeChanged(at: time, from: last, to: size))
    }

    private func warn(_ warning: IngestWarning) {
        for list in [\VideoSource.warnings, \VideoSource.news] {
            if let i = self[keyPath: list].firstIndex(where: { warning.isNewerCount(of: $0) }) {
                self[keyPath: list][i] = warning
            } else if self[keyPath: list].count < 1000 {
                self[keyPath: list].append(warning)
            }
        }
    }

    private func finish() throws(IngestError) {
        isFinished = true
        if statistics.decoded == 0 && !info.isLive {
            throw .nothingDecoded(location: location.shown, errors: statistics.decodeErrors)
        }
        let end = (lastTime?.seconds ?? 0) + Double(lastDuration) / 1_000_000
        if statistics.delivered == 0, let start = settings.start, start > 0 {
            warn(.emptyRange(start: start, streamEnd: end))
        }
        guard case .stream(let reader) = input, !info.isLive else { return }
        if let failure = reader.readFailure { warn(.unreadableRest(at: end, reason: failure.reason)) }
        guard let declared = reader.declaredDuration else { return }
        let missing = declared - end
        let packets = reader.demuxer.stream.pointee.nb_frames
        let lacksPackets = !reader.hasSought && packets > 0 && Int64(reader.demuxer.packetCount) < packets
        let isShort = missing > max(0.5, 0.02 * declared)
        if isShort || reader.lastPacketIsPartial || (lacksPackets && missing > Double(lastDuration) / 2_000_000) {
            warn(.truncated(delivered: end, declared: declared))
        }
    }
}
