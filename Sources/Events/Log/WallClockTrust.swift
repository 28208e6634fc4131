/// Whether the wall clock may tell how old a file is.
///
/// A clock that was set forward by more than a minute may be wrong: for an hour no file is too old. A value without a
/// clock; times are microseconds.
struct WallClockTrust {
    /// Wall minus monotonic, when last noted.
    private var offset: Int64?
    /// When the wall clock was last set forward, monotonic.
    private var setForwardAt: Int64?

    private static let smallestStep: Int64 = 60_000_000
    private static let hour: Int64 = 3_600_000_000

    /// Compares both clocks with the last time.
    mutating func note(wall: Int64, monotonic: Int64) {
        if let offset, wall - monotonic - offset > Self.smallestStep { setForwardAt = monotonic }
        offset = wall - monotonic
    }

    func isTrusted(monotonic: Int64) -> Bool { setForwardAt.map { monotonic - $0 >= Self.hour } ?? true }
}
