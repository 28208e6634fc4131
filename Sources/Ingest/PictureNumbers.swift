/// Notices when reference pictures are missing from an H.264 stream.
///
/// libavcodec conceals a picture that was lost as a whole without a trace, and what builds on it drifts until the next key
/// frame. The numbers tell: `frame_num` is that of the last reference picture or, modulo its range, one more (ITU-T H.264,
/// 7.4.3), unless the stream allows gaps.
struct PictureNumbers {
    private var sets: [UInt32: SequenceSet] = [:]
    /// Which sequence parameter set a picture parameter set belongs to.
    private var sequenceOfPictureSet: [UInt32: UInt32] = [:]
    private var lastReference: UInt32?
    /// Bytes of the length before each NAL unit; nil where start codes stand between them.
    private var lengthBytes: Int?

    private struct SequenceSet {
        var frameNumberBits: Int
        var hasSeparatePlanes: Bool
        var allowsGaps: Bool
    }

    /// - Parameter extradata: the decoder's configuration: start codes, or `avcC` (ISO/IEC 14496-15).
    init(extradata: UnsafeBufferPointer<UInt8>) {
        guard extradata.count > 7, extradata[0] == 1 else {
            _ = misses(extradata)
            return
        }
        lengthBytes = Int(extradata[4] & 3) + 1
        var at = 5
        for _ in ["sequence parameter sets", "picture parameter sets"] where at < extradata.count {
            let count = extradata[at] & 31
            at += 1
            for _ in 0..<count where at + 2 <= extradata.count {
                let length = Int(extradata[at]) << 8 | Int(extradata[at + 1])
                let end = min(extradata.count, at + 2 + length)
                learn(UnsafeBufferPointer(rebasing: extradata[(at + 2)..<end]))
                at = end
            }
        }
    }

    /// Takes the next access unit.
    /// - Returns: whether a reference picture before it is missing.
    mutating func misses(_ unit: UnsafeBufferPointer<UInt8>) -> Bool {
        var at = 0
        while let nal = nextUnit(of: unit, &at) {
            guard let first = nal.first else { continue }
            switch first & 31 {
            case 7, 8: learn(nal)
            case 5:
                lastReference = 0
                return false
            case 1: return judge(nal, isReference: first & 0x60 != 0)
            default: break
            }
        }
        return false
    }

    private mutating func judge(_ slice: UnsafeBufferPointer<UInt8>, isReference: Bool) -> Bool {
        var bits = Bits(slice)
        _ = bits.golomb()  // first_mb_in_slice
        _ = bits.golomb()  // slice_type
        guard let sequence = sequenceOfPictureSet[bits.golomb()], let set = sets[sequence] else { return false }
        if set.hasSeparatePlanes { _ = bits.take(2) }
        let number = bits.take(set.frameNumberBits)
        guard !bits.isExhausted else { return false }
        let mask: UInt32 = 1 << set.frameNumberBits - 1
        let isNext = lastReference.map { number == $0 || number == ($0 + 1) & mask } ?? true
        if isReference { lastReference = number } else if !isNext { lastReference = (number + mask) & mask }
        return !isNext && !set.allowsGaps
    }

    private mutating func learn(_ nal: UnsafeBufferPointer<UInt8>) {
        var bits = Bits(nal)
        if nal.first.map({ $0 & 31 }) == 8 {
            let picture = bits.golomb()
            let sequence = bits.golomb()
            if !bits.isExhausted { sequenceOfPictureSet[picture] = sequence }
            return
        }
        let profile = bits.take(8)
        _ = bits.take(16)
        let id = bits.golomb()
        var set = SequenceSet(frameNumberBits: 4, hasSeparatePlanes: false, allowsGaps: false)
        if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138].contains(profile) {
            let chroma = bits.golomb()
            if chroma == 3 { set.hasSeparatePlanes = bits.take(1) == 1 }
            _ = bits.golomb()
            _ = bits.golomb()
            _ = bits.take(1)
            if bits.take(1) == 1 {
                for list in 0..<(chroma == 3 ? 12 : 8) where bits.take(1) == 1 {
                    bits.skipScalingList(of: list < 6 ? 16 : 64)
                }
            }
        }
        set.frameNumberBits = 4 + Int(min(12, bits.golomb()))
        switch bits.golomb() {
        case 0: _ = bits.golomb()
        case 1:
            _ = bits.take(1)
            for _ in 0..<2 { _ = bits.golomb() }
            for _ in 0..<min(255, bits.golomb()) { _ = bits.golomb() }
        default: break
        }
        _ = bits.golomb()  // max_num_ref_frames
        set.allowsGaps = bits.take(1) == 1
        if !bits.isExhausted { sets[id] = set }
    }

    private func nextUnit(of unit: UnsafeBufferPointer<UInt8>, _ at: inout Int) -> UnsafeBufferPointer<UInt8>? {
        if let lengthBytes {
            guard at + lengthBytes <= unit.count else { return nil }
            let length = unit[at..<(at + lengthBytes)].reduce(0) { $0 << 8 | Int($1) }
            let start = at + lengthBytes
            let end = min(unit.count, start + length)
            at = end
            return UnsafeBufferPointer(rebasing: unit[start..<end])
        }
        guard let start = startCode(in: unit, from: at).map({ $0 + 3 }), start < unit.count else { return nil }
        // A slice's own end does not matter, and it is long.
        let end = [1, 5].contains(unit[start] & 31) ? unit.count : startCode(in: unit, from: start) ?? unit.count
        at = end
        return UnsafeBufferPointer(rebasing: unit[start..<end])
    }

    private func startCode(in bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        guard start + 3 <= bytes.count else { return nil }
        return (start...(bytes.count - 3)).first { bytes[$0] == 0 && bytes[$0 + 1] == 0 && bytes[$0 + 2] == 1 }
    }
}

/// The first bits of a NAL unit after its header, without the bytes that keep start codes out of it.
private struct Bits {
    private var bytes: [UInt8] = []
    private var position = 0
    /// Whether more was taken than there is; what was taken then is 0.
    private(set) var isExhausted = false

    init(_ nal: UnsafeBufferPointer<UInt8>) {
        var zeros = 0
        for byte in nal.dropFirst().prefix(512) {
            if zeros >= 2 && byte == 3 {
                zeros = 0
                continue
            }
            zeros = byte == 0 ? zeros + 1 : 0
            bytes.append(byte)
        }
    }

    /// `u(n)`, n at most 32.
    mutating func take(_ count: Int) -> UInt32 {
        guard position + count <= bytes.count * 8 else {
            isExhausted = true
            return 0
        }
        var value: UInt32 = 0
        for _ in 0..<count {
            value = value << 1 | UInt32(bytes[position >> 3] >> (7 - UInt8(position & 7)) & 1)
            position += 1
        }
        return value
    }

    /// `ue(v)`; `se(v)` is as long.
    mutating func golomb() -> UInt32 {
        var zeros = 0
        while !isExhausted, take(1) == 0, zeros < 32 { zeros += 1 }
        guard !isExhausted, zeros < 32 else {
            isExhausted = true
            return 0
        }
        return 1 << UInt32(zeros) - 1 + take(zeros)
    }

    mutating func skipScalingList(of size: Int) {
        var (last, next) = (8, 8)
        for _ in 0..<size where next != 0 {
            let code = Int(golomb())
            next = (last + (code % 2 == 1 ? (code + 1) / 2 : -code / 2) + 256) % 256
            last = next == 0 ? last : next
        }
    }
}
