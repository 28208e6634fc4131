import Ingest
import Scene
import TestTools
import Testing

/// Files as libavformat's own muxers write them.
@Suite struct FileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A clip of moving test bars.
    private func clip(
        _ name: String, size: String = "320x192", rate: Int = 25, seconds: Double = 2, _ more: String...
    ) throws -> String {
        let file = folder.file(name)
        let source = "testsrc2=size=\(size):rate=\(rate):duration=\(seconds)"
        try run(
            ["ffmpeg", "-loglevel", "error", "-nostdin", "-y", "-f", "lavfi", "-i", source]
                + (more.isEmpty ? ["-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "25"] : more) + [file])
        return file
    }

    @Test func deliversEveryFrameInOrderWithBFrames() throws {
        let reading = try Reading(try clip("a.mp4"))
        #expect(reading.milliseconds == (0..<50).map { $0 * 40 })
        #expect(reading.warnings == [])
        #expect(reading.info.frameCount == 50)
        #expect(reading.info.fps == 25)
        #expect(reading.info.codec == "h264")
        #expect(Set(reading.frames.map(\.hash)).count == 50)
    }

    @Test func framesAreTheSameForAnyNumberOfThreads() throws {
        let file = try clip("a.mp4")
        let one = try Reading(file, .small.with { $0.threads = 1 })
        for threads in [2, 3, 7] {
            #expect(try Reading(file, .small.with { $0.threads = threads }).frames == one.frames)
        }
    }

    @Test(arguments: [
        ("h264", ["-c:v", "libx264", "-g", "50", "-f", "mpegts"]),
        ("hevc", ["-c:v", "libx265", "-x265-params", "log-level=none", "-f", "mpegts"]),
        ("mpeg4", ["-c:v", "mpeg4", "-f", "avi"]), ("mjpeg", ["-c:v", "mjpeg", "-f", "avi"]),
        ("mpeg2", ["-c:v", "mpeg2video", "-f", "mpegts"]),
        ("vp9", ["-c:v", "libvpx-vp9", "-cpu-used", "8", "-f", "webm"]),
    ])
    func damagedFileGivesTheSameFramesForAnyNumberOfThreads(codec: String, options: [String]) throws {
        let whole = folder.file("whole")
        try run(
            ["ffmpeg", "-loglevel", "error", "-nostdin", "-y", "-f", "lavfi", "-i"]
                + ["testsrc2=size=320x192:rate=25:duration=4"] + options + [whole])
        var stream = try bytes(of: whole)
        var state: UInt64 = 99
        for _ in 0..<40 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // The first bytes hold what makes the file a video at all.
            stream[4096 + Int(state >> 33) % (stream.count - 4096)] ^= 0x55
        }
        let file = try folder.write(stream, to: "damaged")
        let one = try Reading(file, .small.with { $0.threads = 1 })
        #expect(one.frames.count > 20)
        for threads in [2, 4] {
            let many = try Reading(file, .small.with { $0.threads = threads })
            #expect(many.frames == one.frames)
            #expect(many.warnings == one.warnings)
        }
    }

    @Test func variableFrameRateKeepsItsTimes() throws {
        // Frames at 0, 100, 300, 600, 1000 ms ... : n (n + 1) / 2 tenths of a second.
        let file = try clip(
            "vfr.mp4", seconds: 0.4, "-vf", "settb=1/1000,setpts=N*(N+1)*50", "-vsync", "vfr", "-enc_time_base",
            "1/1000", "-c:v", "libx264")
        #expect(try Reading(file).milliseconds == (0..<10).map { $0 * ($0 + 1) * 50 })
    }

    @Test func rawStreamWithoutTimeStampsRunsAtItsFrameRate() throws {
        let file = try clip("a.h264", "-c:v", "libx264", "-bf", "2", "-f", "h264")
        let reading = try Reading(file)
        #expect(reading.milliseconds == (0..<50).map { $0 * 40 })
    }

    @Test(arguments: ["gif", "avi", "mkv", "webm", "mjpeg", "flv", "mov"])
    func readsContainer(_ kind: String) throws {
        let codecs: [String: [String]] = [
            "avi": ["-c:v", "mpeg4"], "webm": ["-c:v", "libvpx-vp9", "-cpu-used", "8"],
            "mjpeg": ["-c:v", "mjpeg", "-f", "mjpeg"],
            "flv": ["-c:v", "flv"], "mov": ["-c:v", "prores"],
        ]
        let file = folder.file("a." + kind)
        try run(
            [
                "ffmpeg", "-loglevel", "error", "-nostdin", "-y", "-f", "lavfi", "-i",
                "testsrc2=size=160x96:rate=10:duration=1",
            ]
                + (codecs[kind] ?? []) + [file])
        #expect(try Reading(file).frames.count == 10)
    }

    @Test func readsTenBitHEVC() throws {
        let file = try clip(
            "a.mp4", seconds: 1, "-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-x265-params", "log-level=none")
        let reading = try Reading(file)
        #expect(reading.frames.count == 25)
        #expect(reading.info.pixelFormat == "yuv420p10le")
    }

    @Test func changeOfSizeGoesOn() throws {
        let first = try bytes(of: try clip("a.ts", seconds: 1, "-c:v", "libx264", "-f", "mpegts"))
        let second = try bytes(of: try clip("b.ts", size: "160x128", seconds: 1, "-c:v", "libx264", "-f", "mpegts"))
        let reading = try Reading(try folder.write(first + second, to: "both.ts"))
        #expect(reading.frames.count == 50)
        #expect(reading.milliseconds == (0..<50).map { $0 * 40 })
        #expect(reading.frames[24].size == PixelSize(width: 320, height: 192))
        #expect(reading.frames[25].size == PixelSize(width: 160, height: 128))
        #expect(
            reading.warnings.contains {
                if case .sizeChanged(_, PixelSize(width: 320, height: 192), PixelSize(width: 160, height: 128)) = $0 {
                    true
                } else {
                    false
                }
            })
    }

    @Test func changeOfCodecGoesOn() throws {
        let first = try bytes(
            of: try clip("a.ts", seconds: 1, "-c:v", "libx264", "-mpegts_start_pid", "0x100", "-f", "mpegts"))
        let second = try bytes(
            of: try clip(
                "b.ts", seconds: 1, "-c:v", "mpeg2video", "-mpegts_start_pid", "0x200", "-mpegts_flags",
                "+initial_discontinuity", "-f", "mpegts"))
        // The probe must not see the second programme at once.
        let reading = try Reading(try folder.write(first + second, to: "both.ts"))
        #expect(reading.frames.count >= 25)
    }

    @Test func startAndEndCutExactly() throws {
        let file = try clip("a.mp4", seconds: 14)
        let whole = try Reading(file)
        // From 10 s on the source seeks; the frames are still those of the whole.
        for (start, end) in [(0.5, 1.0), (11.98, 12.5), (13.0, 99.0)] {
            let part = try Reading(
                file,
                .small.with {
                    $0.start = start
                    $0.end = end
                })
            #expect(
                part.frames
                    == whole.frames.filter {
                        $0.microseconds >= Int64(start * 1e6) && $0.microseconds < Int64(end * 1e6)
                    })
            #expect(part.warnings == [])
        }
        let beyond = try Reading(file, .small.with { $0.start = 60 })
        #expect(beyond.frames.isEmpty)
        #expect(beyond.warnings == [.emptyRange(start: 60, streamEnd: 14)])
    }

    @Test func samplingSpreadsFramesEvenly() throws {
        let file = try clip("a.mp4")
        let reading = try Reading(file, .small.with { $0.sampleFPS = 5 })
        #expect(reading.milliseconds == (0..<10).map { $0 * 200 })
        #expect(reading.info.frameCount == 10)
    }

    @Test func startTimeComesFromTheOptionElseFromTheContainer() throws {
        let file = try clip("a.mp4", seconds: 0.2, "-metadata", "creation_time=2024-02-03T04:05:06Z", "-c:v", "libx264")
        #expect(try Reading(file).info.startTimeUTC == 1_706_933_106_000_000)
        #expect(try Reading(file, .small.with { $0.startTimeUTC = 5 }).info.startTimeUTC == 5)
        #expect(try firstFrame(file).time.utcMicroseconds == 1_706_933_106_000_000)
    }
}
