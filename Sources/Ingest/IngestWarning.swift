public import Scene

/// A fact about a stream that a user should know although the stream goes on.
public enum IngestWarning: Equatable, Sendable {
    /// The file ends before its own header says it should.
    case truncated(delivered: Double, declared: Double)
    /// The file could not be read to its end.
    case unreadableRest(at: Double, reason: String)
    /// Packets that the decoder refused.
    case decodeErrors(count: Int)
    /// Pictures with damage in them that were delivered (files).
    case damagedPictures(count: Int)
    /// Places where pictures were lost on their way (cameras).
    case missingPictures(gaps: Int)
    /// Pictures left out until the next key frame, because what they build on was damaged or lost (cameras).
    case droppedPictures(count: Int)
    /// Pictures of a folder that could not be decoded.
    case unreadablePictures(count: Int, first: String)
    /// The stream's time-stamps jumped by this many seconds; stream time goes on without the jump.
    case discontinuity(at: StreamTime, jump: Double)
    /// Time-stamps that were missing or out of order, and were made up from the frame rate.
    case repairedTimeStamps(count: Int)
    /// The stream's time-stamps tell nothing of time: from here on pictures are dated by their arrival (cameras).
    case datedByArrival
    /// Pictures have another size from here on.
    case sizeChanged(at: StreamTime, from: PixelSize, to: PixelSize)
    /// The stream has another codec from here on.
    case codecChanged(from: String, to: String)
    /// The machine's clock was set by this many seconds while the stream ran.
    case clockStepped(at: StreamTime, seconds: Double)
    /// Hardware decoding was asked for and is not to be had; software decodes.
    case hardwareUnavailable(reason: String)
    /// Nothing lies between the start and the end that were asked for.
    case emptyRange(start: Double, streamEnd: Double)

    /// Whether people's tracks cannot be carried over this moment.
    public var breaksTracks: Bool {
        switch self {
        case .discontinuity: true
        default: false
        }
    }

    /// Whether two warnings are the same fact, of which the later one has the newer count.
    func isNewerCount(of other: IngestWarning) -> Bool {
        switch (self, other) {
        case (.decodeErrors, .decodeErrors), (.damagedPictures, .damagedPictures),
            (.missingPictures, .missingPictures), (.droppedPictures, .droppedPictures),
            (.unreadablePictures, .unreadablePictures), (.repairedTimeStamps, .repairedTimeStamps):
            true
        default: false
        }
    }
}

extension IngestWarning: CustomStringConvertible {
    /// One line without the name of the source.
    public var description: String {
        switch self {
        case .truncated(let delivered, let declared):
            declared - delivered > 0.05
                ? "the file is cut short: \(decimal(delivered)) s of \(decimal(declared)) s are there"
                : "the file is cut short within its last pictures"
        case .unreadableRest(let at, let reason): "the file cannot be read after \(decimal(at)) s: \(reason)"
        case .decodeErrors(let count): "\(count) \(count == 1 ? "packet" : "packets") could not be decoded"
        case .damagedPictures(let count): "\(count) \(count == 1 ? "picture is" : "pictures are") damaged"
        case .droppedPictures(let count):
            "\(count) \(count == 1 ? "picture" : "pictures") dropped after errors, until the next key frame"
        case .missingPictures(let gaps):
            "pictures were lost on their way \(gaps == 1 ? "once" : "\(gaps) times"); over UDP, transport: tcp loses none"
        case .unreadablePictures(let count, let first):
            "\(count) \(count == 1 ? "picture" : "pictures") could not be decoded, the first is \(first)"
        case .discontinuity(let at, let jump):
            "time-stamps jump by \(decimal(jump)) s at \(decimal(at.seconds)) s"
        case .repairedTimeStamps(let count):
            "\(count) time-\(count == 1 ? "stamp was" : "stamps were") missing or out of order"
        case .datedByArrival: "the time-stamps do not tell the time; from here on pictures are dated by their arrival"
        case .sizeChanged(let at, let from, let to):
            "the picture changes from \(from.width)x\(from.height) to \(to.width)x\(to.height) "
                + "at \(decimal(at.seconds)) s"
        case .codecChanged(let from, let to): "the codec changes from \(from) to \(to)"
        case .clockStepped(let at, let seconds):
            "the machine's clock was set by \(decimal(seconds)) s at \(decimal(at.seconds)) s"
        case .hardwareUnavailable(let reason): "no hardware decoding: \(reason); software decodes"
        case .emptyRange(let start, let streamEnd):
            "no picture at or after \(decimal(start)) s: the stream ends at \(decimal(streamEnd)) s"
        }
    }
}
