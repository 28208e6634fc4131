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
