import Ingest
import Scene
import TestTools
import Testing

/// Files that are cut, damaged or no video at all.
@Suite struct BrokenFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func clip(_ name: String, _ more: String...) throws -> String {
        let file = folder.file(name)
        try run(
            [
                "ffmpeg", "-loglevel", "error", "-nostdin", "-y", "-f", "lavfi", "-i",
                "testsrc2=size=320x192:rate=25:duration=4",
            ]
                + more + [file])
        return file
    }

    @Test(arguments: [("a.mp4", ["-c:v", "libx264", "-movflags", "faststart"]), ("a.avi", ["-c:v", "mpeg4"])])
    func cutFileGivesWhatThereIsAndOneWarning(name: String, options: [String]) throws {
        let file = folder.file(name)
        try run(
            [
                "ffmpeg", "-loglevel", "error", "-nostdin", "-y", "-f", "lavfi", "-i",
                "testsrc2=size=320x192:rate=25:duration=4",
            ]
                + options + [file])
        let whole = try bytes(of: file)
        let full = try Reading(file)
        #expect(full.frames.count == 100)
        #expect(full.warnings == [])
        var last = 0
        for share in [0.3, 0.5, 0.7, 0.9, 0.96] {
            let cut = try folder.write(whole.prefix(Int(Double(whole.count) * share)), to: "cut-" + name)
            let reading = try Reading(cut)
            #expect(reading.frames.count >= last && reading.frames.count <= 100)
            // The last group of pictures refers to one that is half there.
            let sound = max(0, reading.frames.count - 6)
            #expect(reading.frames.prefix(sound) == full.frames.prefix(sound))
            let cuts = reading.warnings.filter { if case .truncated = $0 { true } else { false } }
            #expect(cuts.count == 1, "\(share): \(reading.frames.count) frames, \(reading.warnings)")
            last = reading.frames.count
        }
        #expect(last > 80)
    }

    @Test func everyCutIsAnErrorOrFrames() throws {
        let whole = try bytes(of: try clip("a.mkv", "-c:v", "libx264"))
        for length in [1, 3, 4, 40, 100, 500, 1000, 2000, 5000, 20_000] where length < whole.count {
            let cut = try folder.write(whole.prefix(length), to: "cut.mkv")
            do {
                _ = try Reading(cut)
            } catch let error as IngestError {
                #expect(error.description.hasPrefix(cut + ": "))
            }
        }
    }

    @Test func garbageInTheMiddleIsPassed() throws {
        let whole = try bytes(of: try clip("a.ts", "-c:v", "libx264", "-g", "25", "-f", "mpegts"))
        var state: UInt64 = 5
        let garbage = (0..<20_000).map { _ -> UInt8 in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 40)
        }
        let half = whole.count / 2
        let file = try folder.write(Array(whole[..<half]) + garbage + Array(whole[half...]), to: "garbage.ts")
        let reading = try Reading(file)
        #expect(reading.frames.count > 70)
        #expect(Set(reading.frames.map(\.size)).count == 1)
        let times = reading.frames.map(\.microseconds)
        #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test func recordingWithoutIndexSaysSo() throws {
        let whole = try bytes(of: try clip("a.mp4", "-c:v", "libx264"))
        let cut = try folder.write(whole.prefix(whole.count / 2), to: "cut.mp4")
        #expect(throws: IngestError.missingIndex(location: cut)) { _ = try Reading(cut) }
    }

    @Test(arguments: ["note.txt", "clip.mp4", "clip.avi", "noname"])
    func textIsRefused(name: String) throws {
        let file = try folder.write("Shopping list:\n- milk\n- bread, größer\n".utf8, to: name)
        #expect(throws: IngestError.isText(location: file)) { _ = try Reading(file) }
    }

    @Test func emptyAndMissingAreToldApart() throws {
        let empty = try folder.write([], to: "empty.mp4")
        #expect(throws: IngestError.emptyFile(location: empty)) { _ = try Reading(empty) }
        let missing = folder.file("missing.mp4")
        #expect(throws: IngestError.notFound(location: missing)) { _ = try Reading(missing) }
        #expect(throws: IngestError.noPictures(location: folder.path)) { _ = try Reading(folder.path) }
        let pattern = folder.file("*.png")
        #expect(throws: IngestError.noPictures(location: pattern)) { _ = try Reading(pattern) }
    }

    @Test func noiseIsRefused() throws {
        var state: UInt64 = 1
        let noise = (0..<50_000).map { _ -> UInt8 in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
        let file = try folder.write(noise, to: "noise.mp4")
        #expect(throws: IngestError.unknownFormat(location: file)) { _ = try Reading(file) }
    }

    @Test func soundIsRefused() throws {
        let file = folder.file("sound.m4a")
        try ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", file)
        #expect(throws: IngestError.noVideo(location: file, streams: ["audio aac"])) { _ = try Reading(file) }
    }

    @Test func coverPictureOfASongIsNoVideo() throws {
        let (cover, song) = (folder.file("cover.png"), folder.file("song.mp3"))
        try ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", "1", cover)
        try ffmpeg(
            "-f", "lavfi", "-i", "sine=duration=1", "-i", cover, "-map", "0", "-map", "1", "-c:a", "libmp3lame", "-c:v",
            "copy",
            "-disposition:v", "attached_pic", song)
        #expect(throws: IngestError.noVideo(location: song, streams: ["audio mp3", "a cover picture"])) {
            _ = try Reading(song)
        }
    }

    @Test func videoWithoutOneGoodPictureIsAnError() throws {
        var stream = try bytes(of: try clip("a.avi", "-c:v", "mpeg4"))
        // Past the header everything is zero, but for the chunk headers that keep the container readable.
        var i = 6000
        while i + 8 < stream.count {
            let isChunk = stream[i] == 0x30 && stream[i + 1] == 0x30 && stream[i + 2] == 0x64 && stream[i + 3] == 0x63
            if isChunk {
                i += 8
            } else {
                stream[i] = 0
                i += 1
            }
        }
        let file = try folder.write(stream, to: "zero.avi")
        do {
            let reading = try Reading(file)
            #expect(!reading.warnings.isEmpty)
        } catch let error as IngestError {
            guard case .nothingDecoded = error else {
                Issue.record("\(error)")
                return
            }
        }
    }
}
