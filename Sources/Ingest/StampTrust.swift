/// Whether the time-stamps of a live stream tell when its pictures were taken.
///
/// Some streams have none, and libavformat makes them up for 25 frames a second (JPEGs over HTTP). Others stand still,
/// jump about, or count pictures that the camera does not take when it is dark. Where they tell nothing, pictures are
/// dated by their arrival. A value without a clock; times are microseconds.
struct StampTrust {
    private(set) var isLost: Bool
    /// When time-stamps jumped within the last minute, monotonic.
    private var jumps: [Int64] = []
    /// Where stream and clock were when the present window began.
    private var began: (stream: Int64, monotonic: Int64)?
    /// How the last window was: 1 too fast, -1 too slow; nil before the first one, with which a server may send what it
    /// had kept.
    private var lastPace: Int?

    /// As often as this within a minute streams jump that say nothing of time.
    private static let jumpsAMinute = 10
    private static let minute: Int64 = 60_000_000
    /// Two windows in a row are off by more than the pieces of HLS can be.
    private static let window: Int64 = 30_000_000
    private static let soundPace = 0.8...1.25

    /// - Parameter isLost: Whether there are no time-stamps at all.
    init(isLost: Bool) { self.isLost = isLost }

    /// Notes a picture.
    /// - Parameters:
    ///   - stream: Its stream time.
    ///   - monotonic: When it came.
    /// - Returns: Whether trust was lost just now.
    mutating func note(stream: Int64, monotonic: Int64, isJump: Bool) -> Bool {
        guard !isLost else { return false }
        if isJump { jumps = jumps.filter { monotonic - $0 < Self.minute } + [monotonic] }
        isLost = jumps.count > Self.jumpsAMinute || isOffPace(stream: stream, monotonic: monotonic)
        return isLost
    }

    private mutating func isOffPace(stream: Int64, monotonic: Int64) -> Bool {
        guard let began else {
            self.began = (stream, monotonic)
            return false
        }
        let passed = monotonic - began.monotonic
        guard passed >= Self.window else { return false }
        let ratio = Double(stream - began.stream) / Double(passed)
        let pace = Self.soundPace.contains(ratio) ? 0 : ratio > 1 ? 1 : -1
        defer { (self.began, lastPace) = ((stream, monotonic), lastPace == nil ? 0 : pace) }
        return pace != 0 && pace == lastPace
    }
}
