import TestTools

/// Damages inputs as disks, networks and people do, and as somebody who means harm: bytes flip, pieces are lost, doubled,
/// moved and taken from elsewhere, numbers become extreme, words of the format come where they do not belong, brackets nest.
struct Mutator {
    var luck: SplitMix
    /// Words of the format.
    let words: [[UInt8]]
    static let longest = 1 << 16

    private static let numbers = [
        "0", "-0", "-1", "1", "2147483648", "-2147483649", "9007199254740993", "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808", "18446744073709551615", "18446744073709551616", "1e9", "1e15", "1e19", "1e300",
        "-1e300",
        "1e-300", "1e999", "nan", "inf", "-inf", "0.1", "1e5", "99999999", "0x10", "1_000", "65536", "4294967296",
    ].map { Array($0.utf8) }

    init(seed: UInt64, words: [String]) {
        luck = SplitMix(seed: seed)
        self.words = words.map { Array($0.utf8) }
    }

    /// A damaged copy of one of `corpus`.
    mutating func input(from corpus: [[UInt8]]) -> [UInt8] {
        var bytes = corpus[Int.random(in: 0..<corpus.count, using: &luck)]
        // Most damage is small; some is not.
        let times = 1 << Int.random(in: 0...4, using: &luck)
        for _ in 0..<Int.random(in: 1...times, using: &luck) { damage(&bytes, corpus) }
        return bytes.count > Self.longest ? Array(bytes.prefix(Self.longest)) : bytes
    }

    private mutating func damage(_ bytes: inout [UInt8], _ corpus: [[UInt8]]) {
        let at = Int.random(in: 0...bytes.count, using: &luck)
        switch Int.random(in: 0..<12, using: &luck) {
        case 0 where at < bytes.count: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &luck)
        case 1 where at < bytes.count: bytes[at] = UInt8.random(in: 0...255, using: &luck)
        case 2: bytes.insert(contentsOf: words.randomElement(using: &luck) ?? [0], at: at)
        case 3: bytes.removeSubrange(at..<piece(after: at, in: bytes))
        case 4: bytes.insert(contentsOf: bytes[at..<piece(after: at, in: bytes)], at: at)
        case 5: bytes = Array(bytes[..<at])
        case 6:
            bytes.insert(
                contentsOf: [UInt8](
                    repeating: bytes.randomElement(using: &luck) ?? 0, count: 1 << Int.random(in: 0...11, using: &luck)),
                at: at)
        case 7:
            let other = corpus.randomElement(using: &luck) ?? []
            let start = Int.random(in: 0...other.count, using: &luck)
            bytes = Array(bytes[..<at]) + Array(other[start...])
        case 8: nest(&bytes, at)
        case 9 where !words.isEmpty: replaceWord(&bytes, at)
        default: replaceNumber(&bytes, at)
        }
    }

    /// Short pieces are likelier than long ones.
    private mutating func piece(after start: Int, in bytes: [UInt8]) -> Int {
        min(bytes.count, start + Int.random(in: 0...(1 << Int.random(in: 0...9, using: &luck)), using: &luck))
    }

    private mutating func nest(_ bytes: inout [UInt8], _ at: Int) {
        let (open, close): (String, String) =
            [("[", "]"), ("{\"a\":", "}"), ("- ", ""), ("  ", "")].randomElement(using: &luck) ?? ("", "")
        let depth = 1 << Int.random(in: 0...12, using: &luck)
        let end = Bool.random(using: &luck) ? Array(String(repeating: close, count: depth).utf8) : []
        bytes.insert(contentsOf: Array(String(repeating: open, count: depth).utf8) + end, at: at)
    }

    private mutating func replaceNumber(_ bytes: inout [UInt8], _ at: Int) {
        let isDigit = { (byte: UInt8) in (48...57).contains(byte) }
        guard let first = bytes[at...].firstIndex(where: isDigit) else { return }
        let end = bytes[first...].firstIndex { !isDigit($0) && $0 != UInt8(ascii: ".") } ?? bytes.count
        bytes.replaceSubrange(first..<end, with: Self.numbers.randomElement(using: &luck) ?? [])
    }

    private mutating func replaceWord(_ bytes: inout [UInt8], _ at: Int) {
        let isLetter = { (byte: UInt8) in (97...122).contains(byte | 32) || byte == UInt8(ascii: "_") }
        guard let first = bytes[at...].firstIndex(where: isLetter) else { return }
        let end = bytes[first...].firstIndex { !isLetter($0) } ?? bytes.count
        bytes.replaceSubrange(first..<end, with: words.randomElement(using: &luck) ?? [])
    }
}
