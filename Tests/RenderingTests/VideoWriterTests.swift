import Foundation
import Rendering
import Scene
import TestTools
import Testing

@Suite struct VideoWriterTests {
    private let folder: TemporaryFolder
    private let size = PixelSize(width: 320, height: 240)

    init() throws { folder = try TemporaryFolder() }

    private func canvas(_ n: Int, _ size: PixelSize? = nil) throws -> Canvas {
        let people = DrawnPeople.crowd(2, of: size ?? self.size)
        let color = (UInt8(truncatingIfNeeded: n * 9), UInt8(120), UInt8(60))
        return try Annotator().draw(people, on: DrawnPeople.plainFrame(size ?? self.size, color))
    }

    private func probe(_ path: String, _ entries: String) throws -> [String] {
        let text = try run(
            "ffprobe", "-loglevel", "error", "-select_streams", "v", "-show_entries", entries, "-of", "csv=p=0", path)
        return String(decoding: text, as: UTF8.self).split(whereSeparator: \.isNewline).map {
            $0.hasSuffix(",") ? String($0.dropLast()) : String($0)
        }
    }

    private func write(_ path: String, times: [Int64]) throws -> VideoWriter {
        let writer = try VideoWriter(path, size: size, fps: 25, redaction: .never, threads: 1)
        for (n, time) in times.enumerated() { try writer.write(try canvas(n), at: DrawnPeople.time(time)) }
        return writer
    }

    @Test func browsersCanPlayIt() throws {
        let path = folder.file("a.mp4")
        let writer = try write(path, times: (0..<30).map { $0 * 40_000 })
        try writer.finish()
        #expect(writer.frameCount == 30)
        #expect(
            try probe(path, "stream=codec_name,profile,width,height,pix_fmt,color_range,color_space")
                == ["h264,High,320,240,yuv420p,tv,smpte170m"])
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let index = try #require(data.range(of: Data("moov".utf8)))
        let media = try #require(data.range(of: Data("mdat".utf8)))
        #expect(index.lowerBound < media.lowerBound)
        #expect(data.range(of: Data("moof".utf8)) == nil)
        #expect(try probe(path, "format=duration") == ["1.200000"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.mp4"])
    }

    @Test func framesKeepTheirTimes() throws {
        let times: [Int64] = [5_000_000, 5_040_000, 5_500_000, 5_501_000, 9_000_000, 9_033_333]
        let path = folder.file("a.mp4")
        try write(path, times: times).finish()
        let found = try probe(path, "frame=best_effort_timestamp_time").compactMap(Double.init)
        #expect(found.count == times.count)
        for (a, b) in zip(found, times) { #expect(abs(a - Double(b - times[0]) / 1e6) < 0.0001) }
    }

    @Test func fileThatWasNeverFinishedPlays() throws {
        let path = folder.file("a.mp4")
        let writer = try write(path, times: (0..<200).map { $0 * 40_000 })
        let copy = folder.file("copy.mp4")
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        #expect(try probe(copy, "frame=pict_type").count >= 50)
        try writer.finish()
        #expect(try probe(path, "frame=pict_type").count == 200)
    }

    @Test func picturesLookAsDrawn() throws {
        let path = folder.file("a.mp4")
        let writer = try VideoWriter(path, size: size, fps: 10, redaction: .never, crf: 5)
        let drawn = try canvas(7)
        try writer.write(drawn, at: DrawnPeople.time(0))
        try writer.finish()
        let rgb = try ffmpeg("-i", path, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
        // Flat background: exact up to the codec.
        for (x, y) in [(300, 230), (160, 230), (310, 120)] {
            let at = (y * size.width + x) * 3
            let pixel = drawn[x, y]
            #expect(abs(Int(rgb[at]) - Int(pixel.red)) < 6)
            #expect(abs(Int(rgb[at + 1]) - Int(pixel.green)) < 6)
            #expect(abs(Int(rgb[at + 2]) - Int(pixel.blue)) < 6)
        }
    }

    @Test func oddAndChangingSizesAreTaken() throws {
        let odd = PixelSize(width: 321, height: 241)
        let path = folder.file("a.mp4")
        let writer = try VideoWriter(path, size: odd, fps: 10, redaction: .never)
        for (n, size) in [odd, size, PixelSize(width: 640, height: 360), odd].enumerated() {
            try writer.write(try canvas(n, size), at: DrawnPeople.time(Int64(n) * 100_000))
        }
        try writer.finish()
        #expect(try probe(path, "stream=width,height") == ["320,240"])
        #expect(try probe(path, "frame=pict_type").count == 4)
    }

    @Test func saysWhatCannotBeWritten() throws {
        let path = folder.file("none/a.mp4")
        #expect(throws: RenderingError.cannotWrite(path: path, reason: "No such file or directory")) {
            _ = try VideoWriter(path, size: size, fps: 25, redaction: .never)
        }
        let full = "/dev/full"
        #expect(throws: RenderingError.cannotWrite(path: full, reason: "No space left on device")) {
            let writer = try VideoWriter(full, size: size, fps: 25, redaction: .never)
            for n in 0..<200 { try writer.write(try canvas(n), at: DrawnPeople.time(Int64(n) * 40_000)) }
            try writer.finish()
        }
    }

    @Test(arguments: [PictureEncoder.Format.png, .jpeg(quality: 95)])
    func picturesComeBack(format: PictureEncoder.Format) throws {
        let drawn = try canvas(3, PixelSize(width: 161, height: 121))
        let path = try folder.write(try PictureEncoder(format, redaction: .never).encode(drawn), to: "a.pic")
        let rgb = try ffmpeg("-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
        #expect(rgb.count == 161 * 121 * 3)
        var sum = 0
        for y in 0..<121 {
            for x in 0..<161 {
                let (found, pixel) = (rgb[(y * 161 + x) * 3], drawn[x, y].red)
                sum += abs(Int(found) - Int(pixel))
                if format == .png { #expect(found == pixel) }
            }
        }
        // JPEG halves the resolution of colours, and lines are one or two pixels wide.
        #expect(Double(sum) / (161 * 121) < 8)
    }

    @Test func qualityDecidesTheSize() throws {
        let drawn = try canvas(3)
        let sizes = try [95, 75, 30].map {
            try PictureEncoder(.jpeg(quality: $0), redaction: .never).encode(drawn).count
        }
        #expect(sizes[0] > sizes[1] && sizes[1] > sizes[2])
    }
}
