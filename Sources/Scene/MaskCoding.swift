/// COCO's compressed spelling of a mask: six bits a character, least significant first, every run after the second as the
/// difference to the run before the last one. Source: the format of pycocotools' `rleToString`.
extension Mask {
    /// The `counts` text of COCO's compressed run-length encoding.
    public var counts: String {
        var text: [UInt8] = []
        for (i, run) in runs.enumerated() {
            var value = i > 2 ? Int64(run) - Int64(runs[i - 2]) : Int64(run)
            var more = true
            while more {
                var bits = UInt8(truncatingIfNeeded: value & 0x1f)
                value >>= 5
                more = bits & 0x10 != 0 ? value != -1 : value != 0
                if more { bits |= 0x20 }
                text.append(bits + 48)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads COCO's compressed run-length encoding; nil when the text is not one, or does not cover `size`.
    public init?(size: PixelSize, counts: String) {
        var runs: [UInt32] = []
        var value: Int64 = 0
        var shift: Int64 = 0
        for byte in counts.utf8 {
            guard (48..<112).contains(byte), shift < 50 else { return nil }
            let bits = Int64(byte - 48)
            value |= (bits & 0x1f) << shift
            shift += 5
            if bits & 0x20 == 0 {
                if bits & 0x10 != 0 { value |= -1 << shift }
                if runs.count > 2 { value += Int64(runs[runs.count - 2]) }
                guard let run = UInt32(exactly: value) else { return nil }
                runs.append(run)
                (value, shift) = (0, 0)
            }
        }
        let (pixels, overflow) = size.width.multipliedReportingOverflow(by: size.height)
        guard shift == 0, !overflow, runs.reduce(0, { $0 + Int($1) }) == pixels else { return nil }
        self.init(size: size, runs: runs)
    }
}
