internal import CFFmpeg
internal import Glibc

/// Joins packets of H.264 that are pieces of one picture.
///
/// GStreamer's `rtph264pay config-interval=...` sends parameter sets before every slice of a key frame, although they belong
/// before the first one only (ITU-T H.264, 7.4.1.2.3). libavformat's parser then takes each slice for a picture, and the
/// decoder conceals what each of them lacks. A key frame therefore waits for the packet after it, as long as the one before
/// it came in pieces; so does the first.
final class PictureJoiner {
    struct Whole {
        /// To be freed by who takes it.
        let packet: UnsafeMutablePointer<AVPacket>
        /// Whether a part of the picture was lost on its way.
        var isTorn: Bool
    }

    private var ready: [Whole] = []
    /// A key frame, or what there is of it.
    private var held: Whole?
    private var heldIsJoined = false
    private var comesInPieces = true
    private var lastTime = hcq_nopts_value()

    /// - Parameter extradata: the stream's; nil unless start codes stand between its units.
    init?(extradata: UnsafeBufferPointer<UInt8>) {
        if extradata.count > 7, extradata[0] == 1 { return nil }
    }

    deinit {
        finish()
        while let whole = next() {
            var packet: UnsafeMutablePointer<AVPacket>? = whole.packet
            av_packet_free(&packet)
        }
    }

    /// Takes a reference to the stream's next packet.
    func add(_ packet: UnsafeMutablePointer<AVPacket>, isTorn: Bool) {
        let (time, last, none) = (packet.pointee.pts, lastTime, hcq_nopts_value())
        lastTime = time
        let bytes = UnsafeBufferPointer(start: packet.pointee.data, count: Int(packet.pointee.size))
        let piece = time == last || time == none || last == none ? Self.laterSlices(of: bytes) : nil
        if let piece {
            comesInPieces = true
            if let whole = held, Self.append(piece, to: whole.packet) {
                held?.isTorn = whole.isTorn || isTorn
                heldIsJoined = true
                return
            }
        } else if held != nil, !heldIsJoined {
            comesInPieces = false
        }
        finish()
        guard let copy = av_packet_clone(packet) else { return }
        if piece == nil, comesInPieces, packet.pointee.flags & AV_PKT_FLAG_KEY != 0 {
            (held, heldIsJoined) = (Whole(packet: copy, isTorn: isTorn), false)
        } else {
            ready.append(Whole(packet: copy, isTorn: isTorn))
        }
    }

    /// No piece follows any more.
    func finish() {
        if let held { ready.append(held) }
        held = nil
    }

    /// The next packet that is whole.
    func next() -> Whole? { ready.isEmpty ? nil : ready.removeFirst() }

    /// From the start code of the first slice on, when that does not begin a picture.
    private static func laterSlices(of bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
        guard bytes.count > 5 else { return nil }
        for i in 0..<(bytes.count - 4) where bytes[i] == 0 && bytes[i + 1] == 0 && bytes[i + 2] == 1 {
            // `first_mb_in_slice` is 0 when its first bit is set.
            if [1, 5].contains(bytes[i + 3] & 31) {
                return bytes[i + 4] & 0x80 == 0 ? UnsafeBufferPointer(rebasing: bytes[i...]) : nil
            }
        }
        return nil
    }

    private static func append(
        _ bytes: UnsafeBufferPointer<UInt8>, to packet: UnsafeMutablePointer<AVPacket>
    ) -> Bool {
        let size = Int(packet.pointee.size)
        guard let start = bytes.baseAddress, av_grow_packet(packet, Int32(bytes.count)) >= 0 else { return false }
        memcpy(packet.pointee.data + size, start, bytes.count)
        return true
    }
}
