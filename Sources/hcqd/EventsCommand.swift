import ArgumentParser
import Events
import Foundation
import Pipeline

/// `hcqd events`: what logs tell.
struct EventsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Read event logs: filter, follow, sum up, plot, report.",
        discussion: """
            Without --summary, --plot or --report the matching lines are printed as they stand in the log.
            A directory stands for all logs in it; parts that were rotated are read with their log.

            Examples:
              hcqd events hcqd-output/clip.jsonl --summary
              hcqd events /var/lib/hcqd/events --type line_crossed
              hcqd events door.jsonl --since 2026-11-22T08:00 --until 2026-11-22T09:00
              hcqd events door.jsonl -f --zone yard | jq -r '.t + " " + .type'

            A page of a replay with pictures of everybody, over a picture of the scene:
              hcqd --replay clip.mp4 --snapshots
              ffmpeg -i clip.mp4 -frames:v 1 scene.jpg
              hcqd events hcqd-output/clip.jsonl --report report.html \\
                --pictures hcqd-output/clip --scene scene.jpg
            """)

    @Argument(help: "Logs, or directories of logs; - is standard input.", completion: .file(extensions: ["jsonl"]))
    var files: [String]
    @Option(
        help: "Only lines from this moment on: 2026-11-22, 2026-11-22T08:00, ...T08:00:00+01:00; UTC without an offset."
    )
    var since: Moment?
    @Option(help: "Only lines before this moment.")
    var until: Moment?
    @Option(help: "Only this camera; may be given several times, as all that follow.")
    var camera: [String] = []
    @Option(help: "Only this type of line: start, end, zone_entered, line_crossed, posture, ...")
    var type: [String] = []
    @Option(help: "Only lines about this zone, and of people who are in it.")
    var zone: [String] = []
    @Option(help: "Only crossings of this line.")
    var line: [String] = []
    @Option(help: "Only this person: the id as it stands in the log.")
    var id: [String] = []
    @Flag(name: [.short, .long], help: "Go on with new lines, also when the log is rotated, until Ctrl-C.")
    var follow = false
    @Flag(help: "Print a table of people, zones and lines.")
    var summary = false
    @Option(help: "Write an SVG plot of people, occupancy and crossings over time to this file.", completion: .file())
    var plot: String?
    @Option(help: "Write an HTML page with everything to this file; it opens from disk.", completion: .file())
    var report: String?
    @Option(help: "Directory of the best views, for --report.", completion: .directory)
    var pictures: String?
    @Option(help: "A JPEG of the scene to lie under the ways, for --report.", completion: .file())
    var scene: String?

    func validate() throws {
        if follow, summary || plot != nil || report != nil {
            throw ValidationError("--follow prints lines; it does not go with --summary, --plot or --report")
        }
        var isFolder = ObjCBool(false)
        let exists = FileManager.default.fileExists(atPath: files[0], isDirectory: &isFolder)
        if follow, files.count != 1 || files == ["-"] || exists && isFolder.boolValue {
            throw ValidationError("--follow takes one log file")
        }
        if report == nil, pictures != nil || scene != nil {
            throw ValidationError("--pictures and --scene are for --report")
        }
    }

    func run() throws {
        do {
            if follow { return try followLines() }
            warnOfCompressedParts(try LogReader.compressedParts(of: LogReader.files(files)))
            if !summary, plot == nil, report == nil { return try printLines() }
            try putTogether()
        } catch let error as SystemFailure where error.call == "write" && error.code == EPIPE {
            return  // the reader has seen enough
        } catch let error where error is SystemFailure || error is CompressedLog {
            complain("\(error)")
            throw ExitCode(1)
        }
    }

    private var filter: LogFilter {
        var filter = LogFilter()
        (filter.since, filter.until) = (since?.utcMicroseconds, until?.utcMicroseconds)
        (filter.cameras, filter.types, filter.zones, filter.lines, filter.ids) = (camera, type, zone, line, id)
        return filter
    }

    private func printLines() throws {
        let filter = filter
        var output = LineOutput()
        var unreadable = 0
        for file in try LogReader.files(files) {
            unreadable += try LogReader.read(file) { line, bytes in
                if filter.matches(line) { try output.print(bytes) }
            }
        }
        try output.flush()
        warn(unreadable)
    }

    private func followLines() throws {
        let filter = filter
        var follower = LogFollower(files[0])
        var output = LineOutput()
        while true {
            for next in try follower.read() {
                if let line = LogLine(next.bytes), filter.matches(line) { try output.print(next.bytes) }
            }
            try output.flush()
            Thread.sleep(forTimeInterval: 0.2)
        }
    }

    private func putTogether() throws {
        let filter = filter
        var digest = LogDigest()
        var unreadable = 0
        for file in try LogReader.files(files) {
            unreadable += try LogReader.read(file) { line, _ in
                if filter.matches(line) { digest.take(line) }
            }
        }
        warn(unreadable)
        if digest.cameras.isEmpty {
            complain("no line matches")
            throw ExitCode(1)
        }
        if summary { print(SummaryTable.text(digest), terminator: "") }
        if let plot { try OutputFile(plot).write(OccupancyPlot.svg(digest)) }
        if let report {
            let scene = try scene.map { try bytes($0) }
            let title = "People in " + digest.cameras.map(\.name).joined(separator: ", ")
            let page = ReplayReport(digest, title: title, scene: scene) { name in
                // A name from a log must not lead out of the directory.
                guard let pictures, !name.contains("/") else { return nil }
                return try? bytes(pictures + "/" + name)
            }
            try OutputFile(report).write(page.html())
        }
    }

    private func warn(_ unreadable: Int) {
        if unreadable > 0 {
            complain("\(unreadable) unreadable \(unreadable == 1 ? "line was" : "lines were") passed over")
        }
    }

    private func warnOfCompressedParts(_ parts: [String]) {
        guard let first = parts.first else { return }
        let more = parts.count > 1 ? " and \(parts.count - 1) more are" : " is"
        complain("\(first)\(more) compressed and left out; unpack such parts on the way: zcat ... | hcqd events -")
    }

    private func bytes(_ path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw SystemFailure(call: "read", path: path, code: ENOENT)
        }
        return Array(data)
    }
}

/// A moment as people type it.
struct Moment: ExpressibleByArgument {
    let utcMicroseconds: Int64

    init?(argument: String) {
        guard let time = Timestamp.utcMicroseconds(argument) else { return nil }
        utcMicroseconds = time
    }
}

/// Lines to standard output, in large pieces.
private struct LineOutput {
    private var waiting: [UInt8] = []

    mutating func print(_ line: [UInt8]) throws(SystemFailure) {
        waiting += line
        waiting.append(0x0a)
        if waiting.count > 1 << 16 { try flush() }
    }

    mutating func flush() throws(SystemFailure) {
        var rest = waiting[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(1, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemFailure(call: "write", path: "standard output", code: errno) }
            rest = rest.dropFirst(count)
        }
        waiting = []
    }
}
