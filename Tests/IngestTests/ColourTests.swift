import Ingest
import Scene
import TestTools
import Testing

/// Colours by the stream's own matrix and range: flat fields of known YUV values against the definition in float.
@Suite struct ColourTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let format: String
        let lines: Int
        var tags: [String] = []
        /// Of the matrix that must be used.
        let kr: Double
        let kb: Double
        let isFull: Bool

        var testDescription: String { name }
    }

    private static let cases: [Case] = [
        Case(name: "SD unspecified is BT.601", format: "yuv420p", lines: 576, kr: 0.299, kb: 0.114, isFull: false),
        Case(name: "HD unspecified is BT.709", format: "yuv420p", lines: 578, kr: 0.2126, kb: 0.0722, isFull: false),
        Case(
            name: "tagged BT.709", format: "yuv422p", lines: 288, tags: ["-colorspace", "bt709"], kr: 0.2126,
            kb: 0.0722,
            isFull: false),
        Case(
            name: "tagged BT.601 in HD", format: "yuv444p", lines: 720, tags: ["-colorspace", "smpte170m"], kr: 0.299,
            kb: 0.114, isFull: false),
        Case(
            name: "tagged BT.2020", format: "yuv420p", lines: 720, tags: ["-colorspace", "bt2020nc"], kr: 0.2627,
            kb: 0.0593, isFull: false),
        Case(
            name: "full range", format: "yuv420p", lines: 288, tags: ["-color_range", "pc"], kr: 0.299, kb: 0.114,
            isFull: true),
        Case(name: "10 bit", format: "yuv420p10le", lines: 288, kr: 0.299, kb: 0.114, isFull: false),
    ]

    @Test(arguments: cases)
    func matrixAndRange(_ test: Case) throws {
        for (y, u, v) in [
            (81, 90, 240), (145, 54, 34), (41, 240, 110), (180, 128, 128), (110, 140, 100), (30, 120, 135),
        ] {
            let isWide = test.format.hasSuffix("10le")
            let file = folder.file("a.mkv")
            let (w, h) = (64, test.lines)
            let shift =
                ["yuv420p": (1, 1), "yuv420p10le": (1, 1), "yuv422p": (1, 0), "yuv444p": (0, 0)][test.format] ?? (0, 0)
            let chroma = (w >> shift.0) * (h >> shift.1)
            func plane(_ value: Int, _ count: Int) -> [UInt8] {
                isWide
                    ? (0..<(2 * count)).map { UInt8(truncatingIfNeeded: $0 % 2 == 0 ? value << 2 : value >> 6) }
                    : [UInt8](repeating: UInt8(value), count: count)
            }
            let raw = try folder.write(plane(y, w * h) + plane(u, chroma) + plane(v, chroma), to: "a.yuv")
            try run(
                [
                    "ffmpeg", "-loglevel", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", test.format, "-s",
                    "\(w)x\(h)",
                ]
                    + test.tags + ["-i", raw] + test.tags + ["-c:v", "ffv1", file])
            let frame = try firstFrame(file, SourceSettings(inputSize: PixelSize(width: 64, height: 288)))
            let found = contentBytes(of: frame)
            let expected = rgb(Double(y), Double(u), Double(v), test)
            let middle =
                (frame.input.content.height / 2 * frame.input.content.width + frame.input.content.width / 2) * 3
            for channel in 0..<3 {
                let value = Double(found[middle + channel])
                #expect(
                    abs(value - expected[channel]) <= 2.5,
                    "Y'CbCr \(y) \(u) \(v), channel \(channel): \(value), expected \(expected[channel])")
            }
        }
    }

    /// ITU-R BT.601 / 709 / 2020: R'G'B' from Y'CbCr.
    private func rgb(_ y: Double, _ u: Double, _ v: Double, _ test: Case) -> [Double] {
        let luma = test.isFull ? y / 255 : (y - 16) / 219
        let cb = (u - 128) / (test.isFull ? 255 : 224)
        let cr = (v - 128) / (test.isFull ? 255 : 224)
        let r = luma + 2 * (1 - test.kr) * cr
        let b = luma + 2 * (1 - test.kb) * cb
        let g = (luma - test.kr * r - test.kb * b) / (1 - test.kr - test.kb)
        return [r, g, b].map { min(max($0, 0), 1) * 255 }
    }

    @Test(arguments: ["gray", "rgb24", "rgba", "pal8", "bgr0", "gray16be", "rgb48be", "ya8", "monob"])
    func pictureFormatKeepsBlackAndWhite(format: String) throws {
        let file = folder.file("a.png")
        try ffmpeg(
            "-f", "lavfi", "-i", "color=black:size=32x32,format=rgb24,drawbox=x=32:w=32:color=white:t=fill", "-f",
            "lavfi", "-i",
            "color=white:size=32x32", "-filter_complex", "[0][1]hstack,format=\(format)", "-frames:v", "1", file)
        let frame = try firstFrame(file, SourceSettings(inputSize: PixelSize(width: 64, height: 32)))
        let found = contentBytes(of: frame)
        #expect(found[(16 * 64 + 8) * 3] <= 1)
        // The palette that ffmpeg makes ends at 252.
        #expect(found[(16 * 64 + 56) * 3] >= (format == "pal8" ? 252 : 254))
    }

    @Test(arguments: ["a.pgm", "a.tif", "a.mkv", "a.nut"])
    func greyThatSaysNothingOfItsRangeIsFullRange(name: String) throws {
        let codec = ["a.mkv": "ffv1", "a.nut": "rawvideo"][name].map { ["-c:v", $0] } ?? []
        let raw = try folder.write((0..<256).flatMap { [UInt8](repeating: UInt8($0), count: 64) }, to: "a.gray")
        let file = folder.file(name)
        try run(
            ["ffmpeg", "-loglevel", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "gray", "-s", "64x256"]
                + ["-i", raw] + codec + [file])
        let found = contentBytes(of: try firstFrame(file, SourceSettings(inputSize: PixelSize(width: 64, height: 256))))
        for value in 0..<256 { #expect(abs(Int(found[(value * 64 + 32) * 3]) - value) <= 1, "grey \(value)") }
    }

    @Test func greyOfMotionJPEGIsFullRange() throws {
        let file = folder.file("a.mjpeg")
        try ffmpeg(
            "-f", "lavfi", "-i", "color=0x808080:size=64x64", "-frames:v", "1", "-pix_fmt", "gray", "-c:v", "mjpeg",
            file)
        let frame = try firstFrame(file, SourceSettings(inputSize: PixelSize(width: 64, height: 64)))
        #expect(contentBytes(of: frame).allSatisfy { abs(Int($0) - 128) <= 2 })
    }
}
