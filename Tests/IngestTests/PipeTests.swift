import Foundation
import Ingest
import Scene
import TestTools
import Testing

/// Named pipes: somebody else writes what is read, or nobody does.
@Suite struct PipeTests {
    private let folder: TemporaryFolder
    private let pipe: String
    private let clip: String
    private let settings = SourceSettings.small.with {
        ($0.connection.connectTimeout, $0.connection.probeTimeout, $0.connection.readTimeout) = (1, 1, 1)
    }

    init() throws {
        folder = try TemporaryFolder()
        (pipe, clip) = (folder.file("pipe"), folder.file("a.ts"))
        try #require(mkfifo(pipe, 0o600) == 0)
        try run(
            "ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=320x192:rate=25:duration=2", "-c:v",
            "libx264", clip)
    }

    /// Writes the clip's first bytes and then, where asked, keeps silent for some seconds before it closes.
    private func write(_ bytes: [UInt8], silence: UInt32 = 0) {
        let path = pipe
        // A thread of its own: those of Dispatch may all be busy with other tests.
        Thread.detachNewThread {
            let descriptor = open(path, O_WRONLY)
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
                guard count > 0 else { break }
                rest = rest.dropFirst(count)
            }
            sleep(silence)
            close(descriptor)
        }
    }

    @Test func whatIsWrittenComesAsFromAFileAlsoAtAnotherSize() throws {
        write(try bytes(of: clip))
        let source = try VideoSource(
            pipe, camera: CameraID("test"),
            settings: settings.with {
                ($0.inputSize, $0.connection) = (PixelSize(width: 64, height: 64), ConnectionSettings())
            })
        source.fit(settings.inputSize)
        var seen: [Seen] = []
        while let frame = try source.next() { seen.append(Seen(frame)) }
        let whole = try Reading(clip, settings)
        #expect(seen == whole.frames)
        #expect(seen.count == 50)
        #expect(source.info.inputSize == whole.info.inputSize)
        #expect(!source.info.isLive)
    }

    @Test func anIndexThatComesAfterThePicturesIsTold() throws {
        let file = folder.file("late.mp4")
        try run("ffmpeg", "-loglevel", "error", "-i", clip, "-c", "copy", file)
        write(try bytes(of: file))
        #expect(throws: IngestError.indexAtEnd(location: pipe)) {
            var settings = settings
            settings.connection = ConnectionSettings()
            _ = try VideoSource(pipe, camera: CameraID("test"), settings: settings).next()
        }
    }

    @Test func nobodyIsWaitedForWithoutEnd() throws {
        #expect(throws: IngestError.timedOut(location: pipe, stage: .connect, seconds: 1)) {
            _ = try Reading(pipe, settings)
        }
        let interruption = Interruption()
        Thread.detachNewThread {
            usleep(300_000)
            interruption.interrupt()
        }
        #expect(throws: IngestError.interrupted) {
            _ = try VideoSource(
                pipe, camera: CameraID("test"), settings: settings.with { $0.isPatientWithPipes = true },
                interruption: interruption)
        }
    }

    @Test func silenceEndsACameraAndNotAReplay() throws {
        let half = Array(try bytes(of: clip).prefix(40_000))
        write(half, silence: 8)
        #expect {
            _ = try Reading(pipe, settings.with { $0.connection.connectTimeout = 30 })
        } throws: { error in
            // Already while it is found out what is sent, or afterwards.
            [IngestError.Stage.probe, .read].contains { stage in
                error as? IngestError == .timedOut(location: pipe, stage: stage, seconds: 1)
            }
        }
        write(half, silence: 3)
        #expect(try Reading(pipe, settings.with { $0.isPatientWithPipes = true }).frames.count > 5)
    }
}
