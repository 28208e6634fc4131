import Foundation
import Ingest
import Scene
import TestTools
import Testing

/// Cameras that do what cameras do. The test camera sends 100 pictures a second, so that four seconds of clip take one.
@Suite(.serialized) struct CameraTests {
    private static let shared = Result { try TestCamera() }
    private let camera: TestCamera

    init() throws { camera = try Self.shared.get() }

    private var settings: SourceSettings {
        SourceSettings.small.with {
            $0.connection.connectTimeout = 5
            $0.connection.probeTimeout = 5
            $0.connection.readTimeout = 5
        }
    }

    private func read(
        _ query: String, user: String? = nil, frames: Int = .max, _ settings: SourceSettings? = nil
    ) throws -> (reading: [Frame], warnings: [IngestWarning], info: StreamInfo, error: IngestError?) {
        let source = try VideoSource(
            camera.url(query, user: user), camera: CameraID("door"), settings: settings ?? self.settings)
        var seen: [Frame] = []
        do {
            while seen.count < frames, let frame = try source.next() { seen.append(frame) }
        } catch {
            return (seen, source.warnings, source.info, error)
        }
        return (seen, source.warnings, source.info, nil)
    }

    private func rises(_ frames: [Frame]) -> Bool {
        zip(frames, frames.dropFirst()).allSatisfy { $0.time < $1.time }
    }

    private func failure(_ query: String, user: String? = nil, _ settings: SourceSettings? = nil) throws -> IngestError
    {
        do {
            let result = try read(query, user: user, settings)
            return try #require(result.error)
        } catch let error as IngestError {
            return error
        }
    }

    @Test(arguments: [ConnectionSettings.Transport.tcp, .udp])
    func deliversFrames(transport: ConnectionSettings.Transport) throws {
        let start = Int64(Date().timeIntervalSince1970 * 1e6)
        let result = try read("fps=100&close_after=120", settings.with { $0.connection.transport = transport })
        #expect(result.reading.count >= 100)
        #expect(rises(result.reading))
        #expect(result.info.isLive && result.info.codec == "h264" && result.info.threads == 1)
        let first = try #require(result.reading.first)
        #expect(first.size == PixelSize(width: 640, height: 360))
        #expect(first.time.microseconds == 0)
        // Wall-clock time is now, give or take the test's own length.
        #expect(abs(first.time.utcMicroseconds - start) < 20_000_000)
        let last = try #require(result.reading.last)
        #expect(abs(last.time.seconds - Double(result.reading.count - 1) / 100) < 0.3)
    }

    @Test(arguments: ["user=ann&password=secret7", "user=ann&password=secret7&basic=1"])
    func signsIn(query: String) throws {
        let result = try read("fps=100&close_after=30&" + query, user: "ann:secret7")
        #expect(result.reading.count > 10)
        #expect(result.info.location.contains("***@127.0.0.1"))
        let error = try failure(query, user: "ann:wrong-secret")
        #expect(error == .unauthorized(location: redactedURL(camera.url(query, user: "ann:wrong-secret"))))
        #expect(!error.description.contains("secret"))
    }

    @Test func toldWhatIsWrong() throws {
        #expect(try failure("status=404") == .noSuchStream(location: camera.url("status=404")))
        #expect(try failure("codec=PCMU") == .noVideo(location: camera.url("codec=PCMU"), streams: []))
        let refused = try failure("refuse=1")
        if case .cannotConnect = refused {} else { Issue.record("\(refused)") }
        let closed = IngestError.cannotConnect(location: "rtsp://***@127.0.0.1:1/cam", reason: "Connection refused")
        #expect(throws: closed) {
            _ = try VideoSource("rtsp://ann:pw@127.0.0.1:1/cam", camera: CameraID("door"), settings: settings)
        }
    }

    @Test func silentServerMeetsTheDeadline() throws {
        let start = ContinuousClock.now
        let quick = settings.with { $0.connection.connectTimeout = 1 }
        let error = try failure("mute=1", quick)
        #expect(error == .timedOut(location: camera.url("mute=1"), stage: .connect, seconds: 1))
        #expect(ContinuousClock.now - start < .seconds(4))
    }

    @Test func frozenCameraMeetsTheDeadline() throws {
        let quick = settings.with { $0.connection.readTimeout = 1 }
        let query = "fps=100&freeze_after=60"
        let result = try read(query, quick)
        #expect(result.reading.count >= 50)
        #expect(result.error == .timedOut(location: camera.url(query), stage: .read, seconds: 1))
    }

    @Test func slowDripIsNoReasonToGiveUp() throws {
        let result = try read("fps=25&drip=20000&close_after=12")
        #expect(result.reading.count >= 8)
    }

    @Test func closedConnectionEndsTheStream() throws {
        let result = try read("fps=100&close_after=60")
        #expect(result.reading.count >= 50)
        if let error = result.error { #expect(error.description.contains("connection lost")) }
    }

    @Test func timeStampsThatJumpAreTakenOut() throws {
        for jump in [3600.0, -3600, 40] {
            let result = try read("fps=100&jump_after=50&jump=\(jump)&close_after=100")
            #expect(rises(result.reading))
            #expect((result.reading.last?.time.seconds ?? 99) < 10)
            let jumps = result.warnings.filter { if case .discontinuity = $0 { true } else { false } }
            #expect(jumps.count == 1, "jump \(jump): \(result.warnings)")
        }
    }

    @Test func wrapOfTheTimeStampsIsNoJump() throws {
        // 2^32 - 40000 ticks of 90 kHz: wraps after 0.44 s.
        let result = try read("fps=100&first_timestamp=4294927296&close_after=120")
        #expect(result.reading.count >= 100)
        #expect(rises(result.reading))
        #expect(!result.warnings.contains { if case .discontinuity = $0 { true } else { false } })
        #expect(abs((result.reading.last?.time.seconds ?? 0) - 1.2) < 0.4)
    }

    @Test func changeOfSizeGoesOn() throws {
        let result = try read("fps=100&switch_after=50&close_after=120")
        #expect(result.reading.last?.size == PixelSize(width: 320, height: 240))
        #expect(result.warnings.contains { if case .sizeChanged = $0 { true } else { false } })
    }

    @Test func damageIsLeftOutUntilTheNextKeyFrame() throws {
        let result = try read("fps=100&garbage_after=35&garbage_for=8&close_after=150")
        #expect(result.reading.count >= 80)
        #expect(
            result.warnings.contains {
                switch $0 {
                case .droppedPictures, .decodeErrors: true
                default: false
                }
            })
        // Every frame that is left is one of the clip's hundred, bit for bit.
        let sound = Set(try read("fps=100&close_after=101").reading.map { Seen($0).hash })
        #expect(sound.count >= 95)
        #expect(result.reading.allSatisfy { sound.contains(Seen($0).hash) })
    }

    // libavcodec conceals a picture that was lost as a whole without a word, HEVC's decoder also one that lacks a part, and
    // what follows would drift.
    @Test(arguments: [
        ("lose=97", ConnectionSettings.Transport.tcp), ("lose=97", .udp), ("skip=37", .tcp), ("skip=37", .udp),
        ("file=2&skip=37", .tcp), ("file=2&skip=37", .udp), ("file=2&lose=97", .udp),
    ])
    func whatBuildsOnLostPicturesIsLeftOutUntilTheNextKeyFrame(
        loss: String, transport: ConnectionSettings.Transport
    ) throws {
        let result = try read("fps=100&\(loss)&close_after=200", settings.with { $0.connection.transport = transport })
        let file = loss.hasPrefix("file") ? 2 : 0
        let sound = Set(try read("file=\(file)&fps=100&close_after=101").reading.map { Seen($0).hash })
        #expect(rises(result.reading))
        #expect(result.reading.count >= 60)
        let strange = result.reading.indices.filter { !sound.contains(Seen(result.reading[$0]).hash) }
        #expect(strange == [])
        #expect(result.warnings.contains { if case .droppedPictures = $0 { true } else { false } })
        let isNoticed = result.warnings.contains { if case .missingPictures = $0 { true } else { false } }
        #expect(isNoticed || loss.hasPrefix("lose"))
    }

    // libavformat takes each of those slices for a picture.
    @Test func keyFramesWithParameterSetsBeforeEverySliceAreWhole() throws {
        let folder = try TemporaryFolder()
        let file = folder.file("slices.h264")
        try run([
            "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4",
            "-c:v", "libx264", "-preset", "veryfast", "-g", "10", "-bf", "0", "-slices", "3", "-f", "h264", file,
        ])
        let sliced = try TestCamera(clips: [file])
        func hashes(_ query: String) throws -> ([UInt64], [IngestWarning]) {
            let source = try VideoSource(sliced.url(query), camera: CameraID("door"), settings: settings)
            var seen: [UInt64] = []
            while let frame = try? source.next() { seen.append(Seen(frame).hash) }
            return (seen, source.warnings)
        }
        let (plain, _) = try hashes("fps=50&close_after=100")
        let (split, warnings) = try hashes("fps=50&close_after=100&sets_each=1")
        #expect(plain.count >= 95)
        #expect(split == plain, "\(split.count) of \(plain.count)")
        #expect(!warnings.contains { if case .droppedPictures = $0 { true } else { false } }, "\(warnings)")
    }

    @Test func interruptEndsABlockedRead() throws {
        let source = try VideoSource(
            camera.url("fps=100&freeze_after=40"), camera: CameraID("door"),
            settings: settings.with { $0.connection.readTimeout = 30 })
        let start = ContinuousClock.now
        DispatchQueue.global().asyncAfter(deadline: .now() + 1.5) { source.interrupt() }
        #expect(throws: IngestError.interrupted) { while try source.next() != nil {} }
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    @Test func interruptEndsAConnectionAttempt() throws {
        let interruption = Interruption()
        DispatchQueue.global().asyncAfter(deadline: .now() + 0.5) { interruption.interrupt() }
        let start = ContinuousClock.now
        #expect(throws: IngestError.interrupted) {
            _ = try VideoSource(
                camera.url("mute=1"), camera: CameraID("door"),
                settings: settings.with { $0.connection.connectTimeout = 30 },
                interruption: interruption)
        }
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    @Test func hardwareThatIsNotThereFallsBack() throws {
        let result = try read("fps=100&close_after=30", settings.with { $0.connection.hardware = .vaapi })
        #expect(result.reading.count > 10)
        #expect(result.warnings.contains { if case .hardwareUnavailable = $0 { true } else { false } })
    }
}
