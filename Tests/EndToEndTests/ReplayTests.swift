import Foundation
import TestTools
import Testing

/// Short and small, so that the whole way fits a test; `--threshold 0.3` lets chance detections become tracks.
private let quick = ["--end", "1", "--input", "256x192", "--threshold", "0.3", "--model", "net.safetensors"]

private func replay(
    _ clip: String, _ more: String..., in folder: Scratch, _ others: [String] = []
) throws -> Program.Outcome {
    try Hcqd.run(Hcqd.binary.path, ["--replay", clip] + quick + more + others, in: folder)
}

@Suite struct ReplayTests {
    let folder: Scratch

    init() throws {
        folder = try Scratch()
        _ = try Hcqd.model(in: folder)
    }

    @Test func replaysAreByteIdenticalForAnyNumberOfThreads() throws {
        for (name, workers, threads) in [
            ("a", "1", "1"), ("b", "1", "1"), ("c", "4", "1"), ("d", "1", "4"), ("e", "3", "2"),
        ] {
            let outcome = try replay(
                Hcqd.clip, "--output", name, "--workers", workers, "--threads", threads, in: folder)
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        let first = try folder.data("a/vtest.jsonl")
        #expect(first.count > 1000, "a log without events shows nothing")
        for name in ["b", "c", "d", "e"] { #expect(try folder.data("\(name)/vtest.jsonl") == first) }
    }

    @Test func standardOutputGetsTheSameLinesAndNothingElse() throws {
        let file = try replay(Hcqd.clip, "--output", "a", in: folder)
        let stream = try replay(Hcqd.clip, "--output", "-", in: folder)
        #expect(file.status == 0 && stream.status == 0)
        #expect(stream.output == (try folder.data("a/vtest.jsonl")))
        #expect(file.text.contains("10 of 768x576"))
        #expect(stream.errors.contains("10 of 768x576"))
        #expect(file.errors == "")
    }

    @Test func everyLineFitsTheSchemaAndEveryStartHasOneEnd() throws {
        _ = try replay(Hcqd.clip, "--output", "a", in: folder)
        var open: Set<String> = []
        var started: Set<String> = []
        for (number, line) in try folder.data("a/vtest.jsonl").split(separator: 0x0a).enumerated() {
            let object = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
            #expect(object["seq"] as? Int == number + 1)
            let id = try #require(object["id"] as? String)
            if object["type"] as? String == "start" { #expect(started.insert(id).inserted && open.insert(id).inserted) }
            if object["type"] as? String == "end" { #expect(open.remove(id) != nil) }
        }
        #expect(!started.isEmpty && open.isEmpty)
        guard let python = ProcessInfo.processInfo.environment["HCQD_PYTHON"] else {
            print("left out: lines are not validated against the schema, because HCQD_PYTHON names no interpreter")
            return
        }
        let program = """
            import json, sys, jsonschema
            validator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
            for line in open(sys.argv[2]): validator.validate(json.loads(line))
            """
        let schema = Hcqd.project.appendingPathComponent("Config/event.schema.json").path
        let checked = try Hcqd.run(python, ["-c", program, schema, folder.path("a/vtest.jsonl")], in: folder)
        #expect(checked.status == 0, "\(checked.errors)")
    }

    @Test func theConfigurationSaysWhoIsLookedAt() throws {
        func people(_ yaml: String) throws -> [[[String: Any]]] {
            try "model: {people: {\(yaml)}}\n".write(toFile: folder.path("c.yaml"), atomically: true, encoding: .utf8)
            let outcome = try Hcqd.run(
                "--replay", Hcqd.clip, "--end", "1", "--input", "256x192", "--model", "net.safetensors", "--config",
                "c.yaml",
                "--export", "people.jsonl", "--format", "people", "--output", "a", in: folder)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return try folder.data("people.jsonl").split(separator: 0x0a).map { line in
                let frame = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
                return try #require(frame["people"] as? [[String: Any]])
            }
        }
        let all = try people("score_threshold: 0")
        #expect(all.count == 10 && !all.joined().isEmpty && all.joined().allSatisfy { $0["mask"] != nil })
        let scores = all.joined().compactMap { $0["score"] as? Double }.sorted()
        let least = scores[scores.count / 2]
        let some = try people("score_threshold: \(least), masks: false").joined()
        #expect(some.count == scores.count { Float($0) >= Float(least) } && some.count < scores.count)
        #expect(some.allSatisfy { $0["mask"] == nil })
    }

    @Test(.enabled(if: Hcqd.python != nil, "left out: needs HCQD_PYTHON with pycocotools and trackeval"))
    func otherToolsReadTheExports() throws {
        for format in ["coco", "mot", "mots"] {
            let outcome = try replay(
                Hcqd.clip, "--output", "a", "--export", "tracks.\(format)", "--format", format, in: folder)
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        let program = """
            import json, sys
            from pycocotools.coco import COCO
            from pycocotools import mask
            results = json.load(open("tracks.coco"))
            images = [{"id": i, "width": 768, "height": 576} for i in sorted({r["image_id"] for r in results})]
            truth = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "person"}]}
            json.dump(truth, open("truth.json", "w"))
            read = COCO("truth.json").loadRes("tracks.coco")
            assert len(read.anns) == len(results) > 0
            for one in read.anns.values():
                x, y, w, h = one["bbox"]
                assert one["track_id"] > 0 and len(one["keypoints"]) == 51 and w > 0 and h > 0
                assert mask.decode(one["segmentation"]).shape == (576, 768)
            lines = open("tracks.mot").read().splitlines()
            assert len(lines) == len(results)
            rows = [line.split(",") for line in lines]
            assert {(int(r[0]), int(r[1])) for r in rows} == {(r["image_id"], r["track_id"]) for r in results}
            # As truth, every box counts.
            open("truth.txt", "w").write("".join(",".join(r[:6] + ["1"] + r[7:]) + "\\n" for r in rows))
            """
        let read = try Hcqd.run(try #require(Hcqd.python), ["-c", program], in: folder)
        #expect(read.status == 0, "\(read.errors)")
        let boxes = String(decoding: try folder.data("tracks.mot"), as: UTF8.self).split(separator: "\n").count
        func figures(_ program: String, _ arguments: String...) throws -> [String: Any] {
            let path = Hcqd.project.appendingPathComponent("Tests/EvaluationTests/Reference/" + program).path
            let outcome = try Hcqd.run(try #require(Hcqd.python), [path] + arguments, in: folder)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return try #require(try JSONSerialization.jsonObject(with: outcome.output) as? [String: Any])
        }
        let mot =
            try figures("trackeval_figures.py", "mot15", "s", "truth.txt", "tracks.mot", "10")["s"] as? [String: Double]
        #expect(mot?["MOTA"] == 1 && mot?["TP"] == Double(boxes))
        let mots = try figures("mots_figures.py", "tracks.mots", "10")
        #expect(abs((mots["HOTA"] as? Double ?? 0) - 1) < 1e-9 && (mots["detections"] as? Double ?? 0) > 0)
    }

    @Test func theTrackerGivesTheSameTracksFromAFileOfPeople() throws {
        for (format, file) in [("mot", "tracks.txt"), ("people", "people.jsonl")] {
            let outcome = try replay(Hcqd.clip, "--output", "a", "--export", file, "--format", format, in: folder)
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        let again = try Hcqd.run(
            "track", "--detections", "people.jsonl", "--format", "people", "--fill", "0", "--set", "birthScore=0.3",
            "--set",
            "confidentScore=0.3", in: folder)
        #expect(again.status == 0, "\(again.errors)")
        #expect(again.output == (try folder.data("tracks.txt")) && again.output.count > 100)
    }

    @Test func theAnnotatedVideoHasEveryFrameAndBrowsersPlayIt() throws {
        let outcome = try replay(Hcqd.clip, "--output", "a", "--annotate", "seen.mp4", in: folder)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let entries = "stream=codec_name,pix_fmt,width,height,nb_frames"
        let probe = try Hcqd.run(
            "/usr/bin/ffprobe", ["-v", "error", "-show_entries", entries, "-of", "csv=p=0", "seen.mp4"], in: folder)
        #expect(probe.text == "h264,768,576,yuv420p,10\n")
        // The index stands in front, so that a browser starts before it has everything.
        let bytes = try folder.data("seen.mp4")
        let index = try #require(bytes.range(of: Data("moov".utf8)))
        let media = try #require(bytes.range(of: Data("mdat".utf8)))
        #expect(index.lowerBound < media.lowerBound)
    }

    @Test func whatIsWrittenThroughALinkLiesWhereItLeads() throws {
        let files = FileManager.default
        let names = ["seen.mp4", "tracks.txt", "net2.safetensors", "plot.svg"]
        for name in names {
            try files.createSymbolicLink(atPath: folder.path(name), withDestinationPath: "real-" + name)
            try Data().write(to: URL(fileURLWithPath: folder.path("real-" + name)))
        }
        for arguments in [
            ["--replay", Hcqd.clip, "--annotate", "seen.mp4", "--export", "tracks.txt", "--output", "a"] + quick,
            ["model", "new", "--config", "net.json", "-o", "net2.safetensors"],
            ["events", "a/vtest.jsonl", "--plot", "plot.svg"],
        ] {
            let outcome = try Hcqd.run(Hcqd.binary.path, arguments, in: folder)
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        for name in names {
            #expect(try files.destinationOfSymbolicLink(atPath: folder.path(name)) == "real-" + name)
            #expect(try folder.data("real-" + name).count > 100, "\(name)")
        }
    }

    @Test func aFullDiskIsToldByEveryCommandThatWrites() throws {
        _ = try replay(Hcqd.clip, "--output", "a", "--export", "people.jsonl", "--format", "people", in: folder)
        for command in [
            "--replay '\(Hcqd.clip)' --export /dev/full --format people \(quick.joined(separator: " "))",
            "track --detections people.jsonl --format people --set birthScore=0 -o /dev/full",
            "track --detections people.jsonl --format people --set birthScore=0 >/dev/full",
            "events a/vtest.jsonl --plot /dev/full", "events a/vtest.jsonl --summary >/dev/full",
            "model info net.safetensors >/dev/full",
        ] {
            let outcome = try Hcqd.run("/bin/sh", ["-c", "'\(Hcqd.binary.path)' " + command], in: folder)
            #expect(outcome.status == 1, "\(command)")
            #expect(outcome.errors.hasSuffix(": cannot be written: No space left on device\n"), "\(outcome.errors)")
        }
    }

    @Test func aFileThatWasCutShortIsDoneWithOneWarning() throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: Hcqd.clip))
        try whole.prefix(90_000).write(to: folder.url.appendingPathComponent("cut.avi"))
        let outcome = try replay("cut.avi", "--output", "a", in: folder)
        #expect(outcome.status == 0)
        let lines = outcome.errors.split(separator: "\n")
        #expect(lines.count == 1)
        #expect(lines.first?.hasPrefix("hcqd: warning: cut.avi: ") == true)
        #expect(lines.first?.contains("the file is cut short") == true)
    }

    @Test(arguments: [
        ("empty.mp4", "", "empty"), ("text.mp4", "hello, this is no video\n", "text"),
        ("nowhere.mp4", nil, "no such file"),
    ])
    func whatIsNoVideoIsRefused(name: String, content: String?, says: String) throws {
        if let content { try content.write(toFile: folder.path(name), atomically: true, encoding: .utf8) }
        let outcome = try replay(name, in: folder)
        #expect(outcome.status == 1)
        #expect(outcome.errors.hasPrefix("hcqd: \(name): ") && outcome.errors.contains(says))
        #expect(outcome.errors.split(separator: "\n").count == 1)
        #expect(outcome.output.isEmpty)
    }

    @Test func soundAloneIsRefused() throws {
        try folder.ffmpeg("-f", "lavfi", "-i", "sine=d=1", "sound.m4a")
        let outcome = try replay("sound.m4a", in: folder)
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("no video"))
    }

    @Test func picturesOfAFolderAreAClip() throws {
        try FileManager.default.createDirectory(atPath: folder.path("pictures"), withIntermediateDirectories: true)
        try folder.ffmpeg("-i", Hcqd.clip, "-frames:v", "8", "pictures/%03d.png")
        for clip in ["pictures", "pictures/*.png"] {
            let outcome = try replay(
                clip, "--fps", "10", "--camera", "yard", "--start-time", "2026-01-31T08:00:00Z", "--output", "a",
                in: folder)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.text.contains(" 8 of 768x576"))
        }
        let log = String(decoding: try folder.data("a/yard.jsonl"), as: UTF8.self)
        #expect(log.contains("\"t\":\"2026-01-31T08:00:0"))
        #expect(log.contains("\"clock\":\"start_time\""))
    }

    @Test func ctrlCLeavesACompleteLogAndAPlayableVideo() throws {
        let program = try Program(
            Hcqd.binary.path,
            [
                "--replay", Hcqd.clip, "--model", "net.safetensors", "--input", "256x192", "--threshold", "0.3",
                "--output", "a", "--annotate", "seen.mp4",
            ], in: folder.url.path)
        // As soon as something was told, not after a fixed time.
        let deadline = Date(timeIntervalSinceNow: 60)
        while (try? folder.data("a/vtest.jsonl"))?.isEmpty ?? true, Date() < deadline { usleep(20_000) }
        program.signal(SIGINT)
        #expect(program.wait() == 130)
        let lines = String(decoding: try folder.data("a/vtest.jsonl"), as: UTF8.self).split(separator: "\n")
        let starts = lines.count { $0.contains("\"type\":\"start\"") }
        #expect(starts > 0 && lines.count { $0.contains("\"type\":\"end\"") } == starts)
        #expect(lines.last?.contains("\"reason\":\"shutdown\"") == true)
        let probe = try Hcqd.run(
            "/usr/bin/ffprobe",
            ["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", "seen.mp4"],
            in: folder)
        #expect((Int(probe.text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0) > 0, "\(probe.errors)")
    }
}

/// Nothing that is written goes over what is read or written otherwise.
@Suite struct OverwritingTests {
    let folder: Scratch

    init() throws {
        folder = try Scratch()
        _ = try Hcqd.model(in: folder)
    }

    @Test(arguments: [
        (["--export", "a/clip.jsonl"], "--export would write a/clip.jsonl over the clip"),
        (["--annotate", "a/../a/clip.jsonl"], "--annotate would write a/../a/clip.jsonl over the clip"),
        (["--output", "a"], "--output would write a/clip.jsonl over the clip"),
        (["--export", "./x", "--annotate", "x"], "--export would write ./x over what --annotate writes"),
    ])
    func isRefused(options: [String], says: String) throws {
        try FileManager.default.createDirectory(atPath: folder.path("a"), withIntermediateDirectories: true)
        try folder.ffmpeg("-i", Hcqd.clip, "-frames:v", "2", "-f", "avi", "a/clip.jsonl")
        let clip = try folder.data("a/clip.jsonl")
        let outcome = try replay("a/clip.jsonl", in: folder, options)
        #expect(outcome.status == 64)
        #expect(outcome.errors.contains(says), "\(outcome.errors)")
        #expect(try folder.data("a/clip.jsonl") == clip)
    }
}

@Suite struct CommandLineTests {
    let folder: Scratch

    init() throws { folder = try Scratch() }

    static let usages: [(arguments: [String], status: Int32)] = [
        ([], 64), (["--bogus"], 64), (["foward"], 64), (["--replay", "x.mp4", "--threshold", "2"], 64),
        (["--replay", "x.mp4", "--end", "-1"], 64), (["--replay", "x.mp4", "--start-time", "yesterday"], 64),
        (["--replay", Hcqd.clip, "--annotate", Hcqd.clip], 64), (["--replay", ""], 64),
        (["--replay", "x.mp4", "--model", ""], 64), (["--replay", "x.mp4", "--export", "-"], 64),
        (["--replay", "x.mp4", "--fps", "nan"], 64), (["--replay", "x.mp4", "--sample-fps", "inf"], 64),
        (["--replay", "x.mp4", "--start", "nan"], 64), (["--replay", "x.mp4", "--start", "1e300"], 64),
        (["--replay", "x.mp4", "--fill", "inf"], 64), (["--replay", "x.mp4", "--input", "640x383"], 64),
        (["track", "--detections", "x.txt", "--fps", "inf"], 64),
        (["track", "--detections", "x.txt", "--fill", "nan"], 64),
        (["track", "--detections", "x.txt", "--set", "patience=nan"], 64),
        (["eval", "coco", "--model", "m", "--images", ".", "--annotations", "a", "--size", "320000x320000"], 64),
        (["eval", "coco", "--model", "m", "--images", ".", "--annotations", "a", "--threads", "0"], 64),
        (["--replay", Hcqd.clip, "--model", "none.safetensors"], 78),
        (["check", "none.yaml"], 78), (["run", "--config", "none.yaml"], 78), (["--help"], 0), (["--version"], 0),
        (["help", "replay"], 0),
    ]

    @Test(arguments: usages)
    func exitStatusSaysWhatWentWrong(arguments: [String], status: Int32) throws {
        let outcome = try Hcqd.run(Hcqd.binary.path, arguments, in: folder)
        #expect(outcome.status == status, "\(outcome.errors)")
        #expect(status == 0 ? !outcome.text.isEmpty : !outcome.errors.isEmpty)
    }

    @Test func aCameraThatTheConfigurationDoesNotKnowIsWrongUsage() throws {
        try "cameras:\n  door: {url: rtsp://x}\n".write(
            toFile: folder.path("c.yaml"), atomically: true, encoding: .utf8)
        let outcome = try Hcqd.run("--replay", Hcqd.clip, "--config", "c.yaml", "--camera", "dor", in: folder)
        #expect(outcome.status == 64)
        #expect(outcome.errors.contains("--camera dor: the configuration knows door."))
    }

    @Test func aFileThatIsNoModelIsNamed() throws {
        try "no weights".write(toFile: folder.path("bad.safetensors"), atomically: true, encoding: .utf8)
        let outcome = try Hcqd.run("--replay", Hcqd.clip, "--model", "bad.safetensors", in: folder)
        #expect(outcome.status == 78)
        #expect(outcome.errors.contains("bad.safetensors"))
    }

    @Test func checkTellsFileLinePathFoundAllowedAndTheNearestKey() throws {
        try "cameras:\n  door:\n    ulr: rtsp://x\n    url: y\n".write(
            toFile: folder.path("c.yaml"), atomically: true, encoding: .utf8)
        let outcome = try Hcqd.run("check", "c.yaml", in: folder)
        #expect(outcome.status == 78)
        #expect(outcome.errors.hasPrefix("hcqd: c.yaml:3: cameras.door.ulr: found an unknown key; allowed: "))
        #expect(outcome.errors.hasSuffix("did you mean 'url'?\n"))
    }

    @Test func theShippedConfigurationIsRight() throws {
        let outcome = try Hcqd.run(
            "check", Hcqd.project.appendingPathComponent("Config/hcqd.yaml").path, in: folder)
        #expect(outcome.status == 0, "\(outcome.errors)")
    }
}
