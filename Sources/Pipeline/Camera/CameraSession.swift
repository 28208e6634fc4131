internal import Dispatch
internal import Events
internal import Ingest
internal import Logging
internal import Scene

/// One connection of a camera, from opening to its end.
final class CameraSession {
    /// Why a connection ended that should not have.
    struct Failure {
        /// A few words that stay the same for the same cause: they stand in the event log.
        let reason: String
        /// What a person reads in the journal.
        let text: String
        var isStall = false
    }

    enum Ending {
        case stopped
        /// A file stands for a camera that shows the same again and again.
        case endOfFile
        case failed(Failure)
    }

    private let camera: CameraPipeline
    private let loop: LoopWatch.Loop
    private let attempt: Int
    /// Whether this is a file that comes again.
    private let isRepetition: Bool
    private let logger: Logger
    private var reports = RepeatedReports()
    private var decodeErrors = 0
    private var droppedPictures = 0
    private var gate: MotionGate
    /// Monotonic seconds.
    private(set) var firstFrameAt: Double?

    init(_ camera: CameraPipeline, loop: LoopWatch.Loop, attempt: Int, isRepetition: Bool) {
        self.camera = camera
        self.loop = loop
        self.attempt = attempt
        self.isRepetition = isRepetition
        logger = camera.sessionLogger
        gate = MotionGate(camera.settings.motion)
    }

    /// Blocks until the connection is over.
    func run() -> Ending {
        loop.enter("connect", within: camera.connectionDeadline)
        do {
            let teller = try camera.openTeller()
            let source = try camera.openSource()
            return read(source, teller)
        } catch IngestError.interrupted {
            return .stopped
        } catch let error as IngestError {
            return .failed(Self.failure(error))
        } catch {
            return .failed(Failure(reason: "not_started", text: "\(error)"))
        }
    }

    private func read(_ source: VideoSource, _ teller: CameraTeller) -> Ending {
        let underWay = DispatchGroup()
        let mailbox = Mailbox(.latest)
        let engine = camera.surroundings.engine
        let seat = engine.seat(mailbox, on: teller.queue) { answer in
            teller.tell(answer)
            underWay.leave()
        }
        defer {
            if camera.isStopping {
                for frame in mailbox.close() {
                    teller.counters.skipped(frame, .closed)
                    underWay.leave()
                }
            }
            // The tracks of the last frames are told before anything is said of the connection; who is told to stop waits
            // for a slow network only so long.
            _ = underWay.wait(timeout: camera.isStopping ? .now() + 1.5 : .distantFuture)
            mailbox.close()
            teller.counters.connectionEnded()
        }
        do {
            while true {
                loop.enter("read", within: camera.readDeadline)
                guard let frame = try source.next() else { break }
                if firstFrameAt == nil { online(source, frame, teller) }
                if !source.info.isLive { keepPace(with: frame) }
                if camera.isStopping { return .stopped }
                camera.counters.arrived(frame)
                hear(source, teller)
                guard gate.passes(frame, isBusy: teller.followsSomebody) else {
                    camera.counters.skipped(frame, .motion)
                    continue
                }
                underWay.enter()
                if let dropped = engine.submit(frame, at: seat) {
                    camera.counters.skipped(dropped, .busy)
                    underWay.leave()
                }
            }
        } catch IngestError.interrupted {
            return .stopped
        } catch {
            return .failed(Self.failure(error))
        }
        hear(source, teller)
        if source.info.isLive {
            return .failed(Failure(reason: "closed", text: "\(source.info.location): the camera closed the stream"))
        }
        guard firstFrameAt != nil else {
            return .failed(Failure(reason: "no_usable_video", text: "\(source.info.location): no picture in it"))
        }
        return .endOfFile
    }

    /// A file comes as fast as a camera would send it.
    private func keepPace(with frame: Frame) {
        camera.pause(until: (firstFrameAt ?? 0) + frame.time.seconds, loop)
    }

    private func online(_ source: VideoSource, _ frame: Frame, _ teller: CameraTeller) {
        firstFrameAt = monotonicSeconds()
        let info = source.info
        camera.set(.online(since: wallMicroseconds(), size: frame.size))
        guard !isRepetition else { return }
        teller.change(CameraChange(.online, attempt: attempt), ending: nil)
        logger.notice(
            "online: \(info.location), \(info.codec) \(frame.size.width)x\(frame.size.height)\(info.fps.map { " at \(fixed($0, 1)) fps" } ?? "")"
        )
    }

    /// Passes on what the source noticed: breaks in time to the event log, errors to the journal, a few at a time.
    private func hear(_ source: VideoSource, _ teller: CameraTeller) {
        for news in source.takeNews() {
            switch news {
            case .decodeErrors(let count):
                camera.counters.decodeErrors(count - decodeErrors)
                decodeErrors = count
            case .droppedPictures(let count):
                camera.counters.skipped(count - droppedPictures, .damaged)
                droppedPictures = count
            default: break
            }
            if news.breaksTracks {
                teller.change(CameraChange(.discontinuity, reason: "time"), ending: .discontinuity)
            }
            if let line = reports.note(news.kind, news.description, now: monotonicSeconds()) {
                logger.warning("\(line)")
            }
        }
        for line in reports.due(now: monotonicSeconds()) { logger.warning("\(line)") }
    }

    private static func failure(_ error: IngestError) -> Failure {
        switch error {
        case .timedOut(_, .read, _): Failure(reason: "no_data", text: error.description, isStall: true)
        case .timedOut(_, .picture, _): Failure(reason: "no_usable_video", text: error.description)
        case .timedOut(_, let stage, _): Failure(reason: "timeout_\(stage.rawValue)", text: error.description)
        case .unauthorized: Failure(reason: "unauthorized", text: error.description)
        case .noSuchStream, .notFound: Failure(reason: "not_found", text: error.description)
        case .cannotConnect: Failure(reason: "unreachable", text: error.description)
        case .connectionLost: Failure(reason: "closed", text: error.description)
        case .noVideo, .noDecoder, .unknownFormat, .nothingDecoded, .emptyFile, .isText, .missingIndex, .indexAtEnd:
            Failure(reason: "no_usable_video", text: error.description)
        default: Failure(reason: "failed", text: error.description)
        }
    }
}

extension IngestWarning {
    /// The same for the same sort of news.
    fileprivate var kind: String {
        Mirror(reflecting: self).children.first?.label ?? "news"
    }
}
