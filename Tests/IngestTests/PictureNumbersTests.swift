import TestTools
import Testing

@testable import Ingest

/// Streams of every kind that libx264 makes, with each of their pictures left out in turn.
@Suite struct PictureNumbersTests {
    private struct Unit {
        var bytes: [UInt8]
        var nals: [[UInt8]]
        var isKey: Bool { nals.contains { $0[0] & 31 == 5 } }
        var isReference: Bool { nals.contains { [1, 5].contains($0[0] & 31) && $0[0] & 0x60 != 0 } }
    }

    private static let kinds = [
        "bframes=0", "bframes=3:b-pyramid=normal", "bframes=2:b-pyramid=none:weightp=0", "cqm=jvt",
        "slices=4:bframes=0",
        "interlaced=1", "ref=1:bframes=0", "ref=16:bframes=0:keyint=60",
    ]

    private func units(_ kind: String, _ format: String) throws -> [Unit] {
        let folder = try TemporaryFolder()
        try ffmpeg(
            "-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=2", "-pix_fmt", format, "-c:v", "libx264",
            "-x264-params", "aud=1:keyint=20:scenecut=0:" + kind, folder.file("a.h264"))
        var units: [Unit] = []
        for nal in Self.split(try bytes(of: folder.file("a.h264"))) {
            if nal[0] & 31 == 9 { units.append(Unit(bytes: [], nals: [])) }
            units[units.count - 1].nals.append(nal)
        }
        for i in units.indices { units[i].bytes = units[i].nals.flatMap { [0, 0, 0, 1] + $0 } }
        return units
    }

    /// NAL units between start codes.
    private static func split(_ stream: [UInt8]) -> [[UInt8]] {
        var starts: [Int] = []
        for i in stream.indices.dropLast(3) where stream[i] == 0 && stream[i + 1] == 0 && stream[i + 2] == 1 {
            starts.append(i + 3)
        }
        return zip(starts, starts.dropFirst().map { $0 - 3 } + [stream.count]).map { start, end in
            var nal = stream[start..<end]
            while nal.last == 0 { nal.removeLast() }
            return Array(nal)
        }
    }

    /// `avcC` of a stream's first parameter sets.
    private func configuration(_ first: Unit) -> [UInt8] {
        let sets = [7, 8].map { kind in first.nals.filter { $0[0] & 31 == kind } }
        func listed(_ nals: [[UInt8]]) -> [UInt8] {
            nals.flatMap { [UInt8($0.count >> 8), UInt8($0.count & 255)] + $0 }
        }
        let head: [UInt8] = [1, 100, 0, 31, 0xff, 0xe0 | UInt8(sets[0].count)]
        return head + listed(sets[0]) + [UInt8(sets[1].count)] + listed(sets[1])
    }

    /// Places at which something is said to be missing.
    private func gaps(_ units: [Unit], lengths: Bool) -> [Int] {
        let extradata = lengths ? configuration(units[0]) : []
        var numbers = extradata.withUnsafeBufferPointer { PictureNumbers(extradata: $0) }
        return units.indices.filter { i in
            var bytes = units[i].bytes
            if lengths {
                let slices = units[i].nals.filter { ![7, 8].contains($0[0] & 31) }
                bytes = slices.flatMap { [0, 0, UInt8($0.count >> 8), UInt8($0.count & 255)] + $0 }
            }
            return bytes.withUnsafeBufferPointer { numbers.misses($0) }
        }
    }

    @Test(arguments: kinds, ["yuv420p", "yuv444p"])
    func missingReferencesAreNoticedAndNothingElse(kind: String, format: String) throws {
        let units = try units(kind, format)
        try #require(units.count == 50)
        for lengths in [false, true] {
            #expect(gaps(units, lengths: lengths) == [])
            for missing in 1..<49 {
                var rest = units
                rest.remove(at: missing)
                // In decoding order the next picture that is not a key frame comes with a number too high.
                let expected = units[missing].isReference && !units[missing + 1].isKey ? [missing] : []
                #expect(gaps(rest, lengths: lengths) == expected, "picture \(missing), lengths \(lengths)")
            }
        }
    }

    @Test func bytesThatAreNoStreamDoNoHarm() throws {
        let whole = try units("bframes=0", "yuv420p")
        var dice = SplitMix(seed: 7)
        for round in 0..<2000 {
            var units = whole.prefix(4).map(\.bytes)
            let unit = round % 4
            for _ in 0..<3 {
                units[unit][Int.random(in: 0..<units[unit].count, using: &dice)] = UInt8.random(
                    in: 0...255, using: &dice)
            }
            units[unit] = Array(units[unit].prefix(Int.random(in: 0...units[unit].count, using: &dice)))
            var configuration = configuration(whole[0])
            configuration[Int.random(in: 0..<configuration.count, using: &dice)] = UInt8.random(
                in: 0...255, using: &dice)
            for start in [units[0], configuration] {
                var numbers = start.withUnsafeBufferPointer { PictureNumbers(extradata: $0) }
                for unit in units { _ = unit.withUnsafeBufferPointer { numbers.misses($0) } }
            }
        }
    }
}
