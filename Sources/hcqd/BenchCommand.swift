internal import ArgumentParser
internal import Engine
internal import Foundation
internal import Scene

/// `hcqd bench`
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Time the network on noise, from the picture's bytes to people.",
        discussion: """
            Examples:
              hcqd bench M.safetensors                        # all cores, 640x384
              hcqd bench M.safetensors --threads 1 --profile  # where the time goes
            `make bench` compares with other engines.
            """)

    @Argument(help: "The network.", completion: .file(extensions: ["safetensors"]))
    var model: String

    @Option(help: "Size of the input: \(InputSize.rule).")
    var size = InputSize(width: 640, height: 384)

    @Option(help: "Cores that share the work; all by default.")
    var threads: Int?

    @Option(help: "Passes that are timed, after one that is not.")
    var passes = 20

    @Flag(help: "One line of JSON.")
    var json = false

    @Flag(help: "The least time of every stage and layer.")
    var profile = false

    @Flag(
        help: ArgumentHelp(
            "Read numbers of passes from standard input; answer each with their times.", visibility: .hidden))
    var turns = false

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads \(threads): must be at least 1.") }
        if passes < 1 { throw ValidationError("--passes \(passes): must be at least 1.") }
    }

    func run() throws {
        let network = try orExit(.model) { () throws(EngineError) in try HCQNet(contentsOf: model) }
        let workspace = network.makeWorkspace(for: size.pixels, threads: threads)
        let frame = noiseFrame(workspace.size)
        var people = network(frame, using: workspace).count
        func pass() -> Double {
            let start = DispatchTime.now().uptimeNanoseconds
            people = network(frame, using: workspace).count
            return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e6
        }
        if turns {
            answer(pass)
            return
        }
        workspace.isTiming = profile
        let times = (0..<passes).map { _ in pass() }.sorted()
        if json {
            print(
                """
                {"model":"\(model)","size":"\(size)","threads":\(workspace.threads),\
                "passes":\(passes),"min_ms":\(rounded(times[0])),"median_ms":\(rounded(times[passes / 2])),\
                "workspace_bytes":\(workspace.bytes),"people":\(people)}
                """)
        } else {
            let cores = workspace.threads == 1 ? "1 core" : "\(workspace.threads) cores"
            print(
                "\(size) on \(cores): \(rounded(times[0])) ms at best, "
                    + "median \(rounded(times[passes / 2])) ms; workspace \(workspace.bytes >> 20) MiB; \(people) people"
            )
        }
        if profile {
            for entry in workspace.profile {
                let milliseconds = String(format: "%9.3f ms", entry.seconds * 1000)
                print(milliseconds + "  " + entry.name)
            }
        }
    }

    /// One line of JSON for each number on standard input, until it ends.
    private func answer(_ pass: () -> Double) {
        print(#"{"ready":"hcqd"}"#)
        fflush(nil)
        while let line = readLine(), let count = Int(line) {
            print("[" + (0..<count).map { _ in rounded(pass()) }.joined(separator: ",") + "]")
            fflush(nil)
        }
    }

    private func rounded(_ milliseconds: Double) -> String { String(format: "%.3f", milliseconds) }
}

/// A frame of the input's size, every byte by chance, always the same.
func noiseFrame(_ size: PixelSize) -> Frame {
    let count = size.width * size.height * 3
    let pixels = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
    var state: UInt32 = 1
    for i in 0..<count {
        state = state &* 1_664_525 &+ 1_013_904_223
        pixels[i] = UInt8(state >> 24)
    }
    let input = NetworkPicture(size: size, content: size, pixels: pixels) { $0.deallocate() }
    return Frame(
        camera: CameraID("noise"), time: StreamTime(microseconds: 0, utcMicroseconds: 0), index: 0, size: size,
        input: input, picture: nil)
}
