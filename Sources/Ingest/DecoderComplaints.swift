internal import CFFmpeg
internal import Synchronization

/// What a decoder says in FFmpeg's log and nowhere else: that a picture which others build on is missing (HEVC).
///
/// Of libavcodec 59; a test loses pictures to see that it still says so.
final class DecoderComplaints: Sendable {
    private static let format = "Could not find ref with POC"
    /// Complaints by the address of the decoder's context.
    private static let counts = Mutex<[UInt: Int]>([:])
    private let decoder: UInt

    init(of context: UnsafeMutablePointer<AVCodecContext>) {
        decoder = UInt(bitPattern: context)
        Self.counts.withLock { $0[decoder] = 0 }
    }

    deinit { _ = Self.counts.withLock { $0.removeValue(forKey: decoder) } }

    /// Whether there were any since this was last asked.
    func takeMissingReferences() -> Bool {
        Self.counts.withLock { ($0.updateValue(0, forKey: decoder) ?? 0) > 0 }
    }

    /// Hears a line of FFmpeg's log, on the thread that is in the decoder.
    static func hear(_ context: UnsafeMutableRawPointer?, level: Int32, format text: UnsafePointer<CChar>?) {
        guard level & 0xff <= AV_LOG_WARNING, let context, let text,
            Self.format.utf8.enumerated().allSatisfy({ UInt8(bitPattern: text[$0]) == $1 })
        else { return }
        let decoder = UInt(bitPattern: context)
        counts.withLock { counts in
            if let count = counts[decoder] { counts[decoder] = count + 1 }
        }
    }
}
