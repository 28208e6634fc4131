import Glibc
import Ingest
import Scene
import TestTools
import Testing

/// Scaling, orientation, colours, fields: what the pixels of the network's input must be.
@Suite struct PictureTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func noise(_ size: PixelSize, seed: UInt64) -> [UInt8] {
        var state = seed
        // Blocks of 3x3 as well as single pixels, so that both fine and coarse detail is there.
        return (0..<(size.width * size.height * 3)).map { i in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let (x, y) = (i / 3 % size.width, i / 3 / size.width)
            return UInt8(truncatingIfNeeded: (state >> 35) % 96) + ((x / 3 + y / 3) % 2 == 0 ? 0 : 150)
        }
    }

    /// A PPM file holds exactly these pixels.
    private func ppm(_ rgb: [UInt8], _ size: PixelSize, _ name: String = "a.ppm") throws -> String {
        try folder.write(Array("P6\n\(size.width) \(size.height)\n255\n".utf8) + rgb, to: name)
    }

    /// The mean over each target pixel's area of the source, in double precision.
    private func areaAverage(_ rgb: [UInt8], _ size: PixelSize, to target: PixelSize) -> [Double] {
        func weights(_ n: Int, _ m: Int) -> [[(Int, Double)]] {
            (0..<m).map { i in
                let (a, b) = (Double(i) * Double(n) / Double(m), Double(i + 1) * Double(n) / Double(m))
                return (Int(a)..<min(n, Int(b.rounded(.up)))).map { j in
                    (j, (min(b, Double(j + 1)) - max(a, Double(j))) / (b - a))
                }
            }
        }
        return average(rgb, size, weights(size.width, target.width), weights(size.height, target.height))
    }

    /// Bilinear with pixel centres aligned and the edge repeated.
    private func bilinear(_ rgb: [UInt8], _ size: PixelSize, to target: PixelSize) -> [Double] {
        func weights(_ n: Int, _ m: Int) -> [[(Int, Double)]] {
            (0..<m).map { i in
                let x = (Double(i) + 0.5) * Double(n) / Double(m) - 0.5
                let (j, t) = (Int(x.rounded(.down)), x - x.rounded(.down))
                return [(min(max(j, 0), n - 1), 1 - t), (min(max(j + 1, 0), n - 1), t)]
            }
        }
        return average(rgb, size, weights(size.width, target.width), weights(size.height, target.height))
    }

    private func average(
        _ rgb: [UInt8], _ size: PixelSize, _ columns: [[(Int, Double)]], _ rows: [[(Int, Double)]]
    ) -> [Double] {
        var result: [Double] = []
        for row in rows {
            for column in columns {
                for channel in 0..<3 {
                    var sum = 0.0
                    for (y, v) in row {
                        for (x, u) in column { sum += u * v * Double(rgb[(y * size.width + x) * 3 + channel]) }
                    }
                    result.append(sum)
                }
            }
        }
        return result
    }

    @Test(arguments: [(640, 480), (1000, 750), (577, 333), (333, 577), (321, 192), (1920, 1080)])
    func shrinkingAveragesAreas(width: Int, height: Int) throws {
        let size = PixelSize(width: width, height: height)
        let rgb = noise(size, seed: UInt64(width))
        let frame = try firstFrame(try ppm(rgb, size))
        let expected = areaAverage(rgb, size, to: frame.input.content)
        let found = contentBytes(of: frame)
        var (largest, sum) = (0.0, 0.0)
        for (i, value) in found.enumerated() {
            largest = max(largest, abs(Double(value) - expected[i]))
            sum += abs(Double(value) - expected[i])
        }
        #expect(found.count == expected.count)
        #expect(largest <= 2.5, "largest difference \(largest) levels")
        #expect(sum / Double(found.count) < 0.6)
    }

    @Test(arguments: [(160, 96), (100, 90), (31, 57)])
    func enlargingIsBilinear(width: Int, height: Int) throws {
        let size = PixelSize(width: width, height: height)
        let rgb = noise(size, seed: UInt64(width))
        let frame = try firstFrame(try ppm(rgb, size))
        let expected = bilinear(rgb, size, to: frame.input.content)
        let found = contentBytes(of: frame)
        #expect(found.count == expected.count)
        let wrong = zip(found, expected).enumerated().first { abs(Double($1.0) - $1.1) > 2.5 }
        #expect(
            wrong == nil, "byte \(wrong?.offset ?? 0): found and expected are \(wrong.map { "\($0.element)" } ?? "")")
    }

    @Test(arguments: [
        (768, 576, 640, 384, 512, 384), (1920, 1080, 640, 384, 640, 360), (100, 1000, 320, 320, 32, 320),
        (3, 2, 320, 192, 288, 192), (1, 400, 320, 192, 1, 192), (853, 480, 640, 384, 640, 360),
    ])
    func contentKeepsTheAspect(_ w: Int, _ h: Int, _ inW: Int, _ inH: Int, _ cw: Int, _ ch: Int) throws {
        let size = PixelSize(width: w, height: h)
        let settings = SourceSettings(inputSize: PixelSize(width: inW, height: inH))
        let frame = try firstFrame(try ppm([UInt8](repeating: 7, count: w * h * 3), size), settings)
        #expect(frame.input.content == PixelSize(width: cw, height: ch))
        #expect(frame.size == size)
        #expect(contentBytes(of: frame).allSatisfy { abs(Int($0) - 7) <= 1 })
    }

    /// What the ffmpeg tool shows of a clip, turned as its players turn it.
    private func shown(_ file: String, _ filter: String = "null") throws -> [UInt8] {
        try ffmpeg("-i", file, "-frames:v", "1", "-vf", filter, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    }

    @Test(arguments: [90, 180, 270])
    func rotationIsHonoured(degrees: Int) throws {
        let (plain, turned) = (folder.file("plain.mp4"), folder.file("turned.mp4"))
        try ffmpeg(
            "-f", "lavfi", "-i", "testsrc2=size=192x320", "-frames:v", "3", "-c:v", "libx264", "-crf", "10", plain)
        try ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v", "rotate=\(degrees)", turned)
        let side = PixelSize(width: 320, height: 320)
        let reading = try firstFrame(turned, SourceSettings(inputSize: side, keepPicture: true))
        let upright = degrees == 180 ? PixelSize(width: 192, height: 320) : PixelSize(width: 320, height: 192)
        #expect(reading.size == upright)
        #expect(reading.input.content == upright)
        let expected = try shown(turned)
        let found = difference(contentBytes(of: reading), expected)
        #expect(found.mean < 5, "mean difference \(found.mean)")
        // A picture that was turned the wrong way is far off.
        var backwards: [UInt8] = []
        for i in stride(from: expected.count - 3, through: 0, by: -3) { backwards += expected[i..<(i + 3)] }
        #expect(difference(contentBytes(of: reading), backwards).mean > 20)
    }

    /// A JPEG with an EXIF segment that holds nothing but an orientation.
    private func jpeg(_ file: String, orientation: UInt8) throws -> String {
        let plain = try bytes(of: file)
        let exif: [UInt8] =
            [0xff, 0xe1, 0, 34] + Array("Exif".utf8) + [0, 0] + Array("MM".utf8) + [0, 42, 0, 0, 0, 8, 0, 1]
            + [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]
        return try folder.write(Array(plain[..<2]) + exif + Array(plain[2...]), to: "exif.jpg")
    }

    // By the EXIF standard: how the stored picture must be changed to stand upright.
    @Test(arguments: [
        (1, "null"), (2, "hflip"), (3, "hflip,vflip"), (4, "vflip"), (5, "transpose=cclock_flip"),
        (6, "transpose=clock"),
        (7, "transpose=clock_flip"), (8, "transpose=cclock"),
    ])
    func orientationOfPhotographsIsHonoured(orientation: Int, filter: String) throws {
        let stored = folder.file("stored.jpg")
        try ffmpeg("-f", "lavfi", "-i", "testsrc2=size=192x320", "-frames:v", "1", "-q:v", "2", stored)
        let file = try jpeg(stored, orientation: UInt8(orientation))
        let frame = try firstFrame(file, SourceSettings(inputSize: PixelSize(width: 320, height: 320)))
        let found = difference(contentBytes(of: frame), try shown(stored, filter))
        #expect(found.mean < 5, "mean difference \(found.mean)")
    }

    @Test func pictureIsTakenAsStoredOnRequest() throws {
        let (stored, size) = (folder.file("stored.jpg"), PixelSize(width: 192, height: 320))
        try ffmpeg(
            "-f", "lavfi", "-i", "testsrc2=size=192x320", "-vf", "setsar=2", "-frames:v", "1", "-q:v", "2", stored)
        let file = try jpeg(stored, orientation: 6)
        let settings = SourceSettings(inputSize: PixelSize(width: 320, height: 320))
        let upright = PixelSize(width: 320, height: 384)
        #expect(try firstFrame(file, settings).size == upright)
        let info = try VideoSource(file, camera: CameraID("a"), settings: settings).info
        #expect(info.displaySize == upright && info.rotation == 90)
        let frame = try firstFrame(file, settings.with { $0.isUpright = false })
        #expect(frame.size == size && frame.input.content == size)
        let found = difference(contentBytes(of: frame), try shown(stored))
        #expect(found.mean < 5, "mean difference \(found.mean)")
    }

    @Test func photographsThatAreCutShortAreTold() throws {
        let whole = folder.file("whole.jpg")
        try ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x192", "-frames:v", "1", "-q:v", "2", whole)
        let bytes = try bytes(of: whole)
        let cut = try folder.write(Array(bytes.dropLast(bytes.count / 3)), to: "cut.jpg")
        #expect(try Reading(whole).warnings == [] && Reading(cut).warnings == [.damagedPictures(count: 1)])
        #expect(try Reading(cut).frames.count == 1)
        let both = try Reading(folder.file("*.jpg"))
        #expect(both.frames.count == 2 && both.warnings == [.damagedPictures(count: 1)])
    }

    @Test func pixelsThatAreNotSquareAreStretched() throws {
        let file = folder.file("a.mkv")
        try ffmpeg(
            "-f", "lavfi", "-i", "testsrc2=size=720x576", "-frames:v", "2", "-vf", "setsar=16/15", "-c:v", "ffv1", file)
        let frame = try firstFrame(file, SourceSettings(inputSize: PixelSize(width: 768, height: 576)))
        #expect(frame.size == PixelSize(width: 768, height: 576))
        #expect(frame.input.content == frame.size)
        let reference = try shown(file, "scale=768:576:flags=bilinear,setsar=1")
        #expect(difference(contentBytes(of: frame), reference).mean < 3)
    }
}
