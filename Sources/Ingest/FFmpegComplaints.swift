internal import CFFmpeg
internal import Synchronization

/// What FFmpeg says in its log and nowhere else about losses on the way from a camera.
///
/// Of libavcodec and libavformat 59; tests lose pictures and packets to see that they still say so.
final class FFmpegComplaints: Sendable {
    private static let formats = [
        // HEVC's decoder: a picture which others build on is missing.
        "Could not find ref with POC",
        // RTP over UDP: numbers of packets are missing. HEVC's decoder makes a picture of the rest without a word.
        "RTP: missed",
    ]
    private struct Entry {
        let owner: ObjectIdentifier
        var hasComplained = false
    }

    /// By the address of the decoder's or demuxer's context.
    private static let entries = Mutex<[UInt: Entry]>([:])
    private let context: UInt

    /// - Parameter context: what FFmpeg names as the place that a line comes from.
    init(of context: UnsafeMutableRawPointer) {
        self.context = UInt(bitPattern: context)
        let entry = Entry(owner: ObjectIdentifier(self))
        Self.entries.withLock { $0[self.context] = entry }
    }

    deinit {
        // Another context may have got the address of this one, which is freed by now.
        Self.entries.withLock { if $0[context]?.owner == ObjectIdentifier(self) { $0[context] = nil } }
    }

    /// Whether there were any since this was last asked.
    func take() -> Bool {
        Self.entries.withLock { entries in
            let hasComplained = entries[context]?.hasComplained == true
            entries[context]?.hasComplained = false
            return hasComplained
        }
    }

    /// Hears a line of FFmpeg's log, on the thread that is in the decoder or demuxer.
    static func hear(_ context: UnsafeMutableRawPointer?, level: Int32, format text: UnsafePointer<CChar>?) {
        guard level & 0xff <= AV_LOG_WARNING, let context, let text,
            formats.contains(where: { $0.utf8.enumerated().allSatisfy { UInt8(bitPattern: text[$0]) == $1 } })
        else { return }
        let address = UInt(bitPattern: context)
        entries.withLock { $0[address]?.hasComplained = true }
    }
}
