import Ingest
import Scene
import TestTools
import Testing

/// Folders and patterns of pictures.
@Suite struct FolderTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func picture(_ name: String, size: String = "64x48", color: String = "red") throws {
        try ffmpeg("-f", "lavfi", "-i", "color=\(color):size=\(size),format=rgb24", "-frames:v", "1", folder.file(name))
    }

    @Test func picturesComeInNaturalOrderAtTheGivenRate() throws {
        // Each has its number as its width.
        for n in [1, 2, 9, 10, 11, 100] { try picture("shot\(n).png", size: "\(40 + n)x40") }
        _ = try folder.write("not a picture".utf8, to: "notes.md")
        let reading = try Reading(folder.path, .small.with { $0.picturesFPS = 4 })
        #expect(reading.frames.map(\.size.width) == [41, 42, 49, 50, 51, 140])
        #expect(reading.milliseconds == [0, 250, 500, 750, 1000, 1250])
        #expect(reading.info.frameCount == 6)
        #expect(reading.info.fps == 4)
        #expect(reading.warnings == [])
    }

    @Test func patternChoosesPictures() throws {
        for n in 1...4 { try picture("a\(n).jpg") }
        try picture("b1.bmp")
        #expect(try Reading(folder.file("a*.jpg")).frames.count == 4)
        #expect(try Reading(folder.file("?[12].*")).frames.count == 3)
        #expect(try Reading(folder.path).frames.count == 5)
    }

    @Test func unreadablePictureKeepsItsPlaceInTime() throws {
        for n in [1, 3, 4] { try picture("a\(n).png") }
        _ = try folder.write("no picture".utf8, to: "a2.png")
        let reading = try Reading(folder.path, .small.with { $0.picturesFPS = 10 })
        #expect(reading.milliseconds == [0, 200, 300])
        #expect(reading.warnings == [.unreadablePictures(count: 1, first: folder.file("a2.png"))])
    }

    @Test func folderOfUnreadablePicturesIsAnError() throws {
        _ = try folder.write("no picture".utf8, to: "a.png")
        #expect(throws: IngestError.nothingDecoded(location: folder.path, errors: 1)) { _ = try Reading(folder.path) }
    }

    @Test func namesWithOddCharactersAreFiles() throws {
        for name in ["a%03d.png", "b:c.png", "d e'f.png"] {
            try ffmpeg(
                "-f", "lavfi", "-i", "color=red:size=64x48", "-frames:v", "1", "-update", "1", "-f", "image2pipe",
                "-c:v", "png",
                "file:" + folder.file("plain"))
            try run("mv", folder.file("plain"), folder.file(name))
            #expect(try Reading(folder.file(name)).frames.count == 1)
        }
        #expect(try Reading(folder.path).frames.count == 3)
    }
}

/// Fields become pictures.
@Suite struct InterlacedTests {
    private let folder: TemporaryFolder
    private static let size = PixelSize(width: 704, height: 576)

    init() throws { folder = try TemporaryFolder() }

    /// The same scene at 50 pictures a second, and as 25 interlaced ones.
    private func scene(_ source: String, top: Bool) throws -> (progressive: [UInt8], interlaced: String) {
        let file = folder.file("interlaced.mpg")
        let mode = top ? "interleave_top" : "interleave_bottom"
        try ffmpeg(
            "-f", "lavfi", "-i", source, "-frames:v", "6", "-vf", "tinterlace=" + mode, "-flags", "+ilme+ildct", "-top",
            top ? "1" : "0", "-c:v", "mpeg2video", "-q:v", "1", file)
        let raw = try ffmpeg(
            "-f", "lavfi", "-i", source, "-vf", "select=eq(n\\,4)", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt",
            "rgb24", "-")
        return (raw, file)
    }

    private func frame(_ file: String, _ index: Int) throws -> Frame {
        let source = try VideoSource(file, camera: CameraID("t"), settings: SourceSettings(inputSize: Self.size))
        #expect(source.info.isInterlaced)
        for _ in 0..<index { _ = try source.next() }
        return try #require(try source.next())
    }

    @Test(arguments: [true, false])
    func movingEdgesHaveNoTeeth(top: Bool) throws {
        // A bar that moves 6 pixels from field to field.
        let source =
            "color=gray:size=704x576:rate=50,format=yuv420p,drawbox=x=40:y=60:w=60:h=400:color=white:t=fill,"
            + "scroll=horizontal=-0.00852"
        let (progressive, file) = try scene(source, top: top)
        let deinterlaced = contentBytes(of: try frame(file, 2))
        let woven = try ffmpeg(
            "-i", file, "-vf", "select=eq(n\\,2)", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
        #expect(teeth(woven) > 10_000)
        #expect(teeth(deinterlaced) < teeth(woven) / 20)
        #expect(difference(deinterlaced, progressive).mean < difference(woven, progressive).mean / 2)
    }

    /// Pixels that differ from both the line above and the one below, in the same direction.
    private func teeth(_ rgb: [UInt8]) -> Int {
        let row = Self.size.width * 3
        var count = 0
        for i in row..<(rgb.count - row) {
            let (above, own, below) = (Int(rgb[i - row]), Int(rgb[i]), Int(rgb[i + row]))
            if (own - above > 40 && own - below > 40) || (above - own > 40 && below - own > 40) { count += 1 }
        }
        return count
    }

    @Test func stillPartsKeepTheirDetail() throws {
        let (progressive, file) = try scene("smptehdbars=size=704x576:rate=50", top: true)
        #expect(difference(contentBytes(of: try frame(file, 2)), progressive).mean < 3)
    }
}
