import Dispatch
import Ingest
import Scene
import TestTools
import Testing

/// Files and cameras over HTTP.
@Suite struct WebTests {
    private let folder: TemporaryFolder
    private let server: TestServer

    init() throws {
        folder = try TemporaryFolder()
        try ffmpeg(
            "-f", "lavfi", "-i", "testsrc2=size=320x192:rate=25:duration=2", "-c:v", "libx264", "-movflags",
            "faststart",
            folder.file("a.mp4"))
        try ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x192:rate=25:duration=0.4", folder.file("p%02d.jpg"))
        server = try TestServer("web_camera.py", [folder.path])
    }

    private var settings: SourceSettings {
        SourceSettings.small.with {
            $0.connection.connectTimeout = isSanitized ? 20 : 2
            $0.connection.readTimeout = isSanitized ? 20 : 2
        }
    }

    @Test func fileComesWhole() throws {
        let reading = try Reading(server.address + "a.mp4", settings)
        #expect(reading.frames == (try Reading(folder.file("a.mp4"))).frames)
        #expect(!reading.info.isLive)
    }

    @Test func cameraOfJPEGsIsLive() throws {
        let reading = try Reading(server.address + "live.mjpg?fps=50", settings, limit: 25)
        #expect(reading.info.isLive)
        #expect(reading.frames.count == 25)
        #expect(Set(reading.frames.map(\.hash)).count >= 9)
    }

    // libavformat dates them for 25 frames a second, whatever comes.
    @Test func jpegsOfACameraAreDatedByTheirArrival() throws {
        let reading = try Reading(server.address + "live.mjpg?fps=5", settings, limit: 8)
        #expect(reading.info.fps == nil)
        // What came while the stream was probed is read at once.
        let steps = zip(reading.milliseconds, reading.milliseconds.dropFirst()).map { $1 - $0 }
        #expect(steps.suffix(3).reduce(0, +) > 400, "\(steps)")
        #expect(reading.warnings == [])
    }

    @Test func fileWhoseIndexCannotBeReachedIsToldAsSuch() throws {
        try ffmpeg("-i", folder.file("a.mp4"), "-c", "copy", folder.file("late.mp4"))
        #expect(throws: IngestError.indexAtEnd(location: server.address + "late.mp4")) {
            _ = try Reading(server.address + "late.mp4", settings)
        }
    }

    @Test(arguments: ["next.jpg", "next", "next.jpg?user=a&password=b&x=1"])
    func aSinglePictureIsAskedForAgainAndAgain(path: String) throws {
        let address = path.contains("user=") ? server.address.replacing("http://", with: "http://a:b@") : server.address
        let reading = try Reading(address + path, settings.with { ($0.stillFPS, $0.sampleFPS) = (5, 5) }, limit: 6)
        #expect(reading.info.isLive && reading.info.isStill && reading.info.fps == 5)
        #expect(reading.frames.count == 6)
        #expect(Set(reading.frames.map(\.hash)).count == 6)
        let steps = zip(reading.milliseconds, reading.milliseconds.dropFirst()).map { $1 - $0 }
        #expect(reading.milliseconds.last.map { $0 >= 900 } == true, "\(steps)")
        #expect(isSanitized || reading.milliseconds.last.map { $0 < 3000 } == true, "\(steps)")
        #expect(reading.warnings == [])
        // To replay it is to look at it once.
        #expect(try Reading(server.address + "p01.jpg", settings).frames.count == 1)
    }

    @Test func aSinglePictureThatDoesNotComeAnyMoreIsALostCamera() throws {
        func ending(_ path: String) throws -> (frames: Int, error: IngestError?) {
            let server = try TestServer("web_camera.py", [folder.path])
            let settings = settings.with { $0.stillFPS = 5 }
            let source = try VideoSource(server.address + path, camera: CameraID("test"), settings: settings)
            var frames = 0
            do throws(IngestError) {
                while try source.next() != nil { frames += 1 }
                return (frames, nil)
            } catch { return (frames, error) }
        }
        let failed = try ending("next?fail_after=4")
        #expect(failed.frames == 4)
        if case .cannotConnect = failed.error {} else { Issue.record("\(failed)") }
        let mute = try ending("next?mute_after=4")
        #expect(mute.frames == 4)
        guard case .timedOut(_, .read, let seconds) = mute.error else { throw IngestError.interrupted }
        #expect(seconds == settings.connection.readTimeout)
    }

    @Test func waitingForTheNextPictureIsInterrupted() throws {
        let source = try VideoSource(
            server.address + "next", camera: CameraID("test"), settings: settings.with { $0.stillFPS = 0.05 })
        _ = try source.next()
        let began = ContinuousClock.now
        DispatchQueue.global().asyncAfter(deadline: .now() + 0.3) { source.interrupt() }
        #expect(throws: IngestError.interrupted) { try source.next() }
        #expect(ContinuousClock.now - began < .seconds(10))
    }

    @Test func filesAndCamerasComeOverTLS() throws {
        try run(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder.file("k.pem"), "-out",
            folder.file("c.pem"), "-days", "2", "-subj", "/CN=camera")
        let both = try folder.write(bytes(of: folder.file("c.pem")) + bytes(of: folder.file("k.pem")), to: "both.pem")
        let server = try TestServer("web_camera.py", [folder.path, "--certificate", both])
        #expect(server.address.hasPrefix("https://"))
        let reading = try Reading(server.address + "a.mp4", settings)
        #expect(reading.frames == (try Reading(folder.file("a.mp4"))).frames)
        #expect(try Reading(server.address + "live.mjpg?fps=50", settings, limit: 5).frames.count == 5)
        let address = server.address.replacing("https://", with: "https://ann:s3cret@")
        #expect(try Reading(address + "a.mp4?user=ann&password=s3cret", settings).frames.count == 50)
        #expect(throws: IngestError.unauthorized(location: redactedURL(address + "a.mp4?user=ann&password=x"))) {
            _ = try Reading(address + "a.mp4?user=ann&password=x", settings)
        }
    }

    @Test func failuresAreToldApart() throws {
        func failure(_ path: String) -> IngestError? {
            do {
                _ = try Reading(server.address + path, settings)
                return nil
            } catch { return error as? IngestError }
        }
        #expect(failure("none.mp4") == .noSuchStream(location: server.address + "none.mp4"))
        #expect(
            failure("a.mp4?user=u&password=p")
                == .unauthorized(location: server.address + "a.mp4?user=***&password=***"))
        #expect(
            failure("a.mp4?mute=1")
                == .timedOut(
                    location: server.address + "a.mp4?mute=1", stage: .connect,
                    seconds: settings.connection.connectTimeout))
        if case .cannotConnect = failure("a.mp4?status=503") {} else { Issue.record("status 503") }
        if case .timedOut(_, .read, _) = failure("live.mjpg?fps=50&freeze_after=20") {} else { Issue.record("freeze") }
    }

    @Test func connectionThatBreaksIsNotAnEnd() throws {
        let half = try bytes(of: folder.file("a.mp4")).count / 2
        do {
            let reading = try Reading(server.address + "a.mp4?cut=\(half)", settings)
            #expect(reading.frames.count < 50)
            #expect(!reading.warnings.isEmpty)
        } catch let error as IngestError {
            guard case .connectionLost = error else {
                Issue.record("\(error)")
                return
            }
        }
    }
}
