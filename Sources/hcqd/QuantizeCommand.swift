internal import ArgumentParser
internal import Engine
internal import Foundation
internal import Pipeline
internal import Scene

extension ModelCommand {
    /// `hcqd model quantize`
    struct Quantize: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the int8 form of a network: smaller, faster, a little less exact.",
            discussion: """
                The network runs on the pictures once to learn the range of every layer's input. `hcqd eval` tells what the \
                int8 form loses; a layer that loses too much stays in float32 with --keep.

                Example:
                  hcqd model quantize M.safetensors --calibrate pictures/ -o M-int8.safetensors
                """)

        @Argument(help: "The float network.", completion: .file(extensions: ["safetensors"]))
        var model: String

        @Option(help: "A folder of pictures or a clip, such as the cameras see; `noise` where only speed matters.")
        var calibrate: String

        @Option(help: "How many pictures.")
        var pictures = 48

        @Option(help: "Size of the input: \(InputSize.rule).")
        var size = InputSize(width: 640, height: 384)

        @Option(help: "The beginning of the name of layers that stay in float32; may be repeated.")
        var keep: [String] = []

        @Option(name: .shortAndLong, help: "Where the int8 model goes.", completion: .file(extensions: ["safetensors"]))
        var output: String

        func validate() throws {
            if pictures < 1 { throw ValidationError("--pictures \(pictures): must be at least 1.") }
        }

        func run() throws {
            let calibration = try orExit(.model) { () throws(EngineError) in
                try Calibration(contentsOf: model, keeping: keep)
            }
            let workspace = calibration.network.makeWorkspace(for: size.pixels)
            if calibrate == "noise" {
                for _ in 0..<2 { calibration.observe(noiseFrame(size.pixels), using: workspace) }
            } else {
                do {
                    try forSomeFrames(of: calibrate, inputSize: size.pixels, count: pictures) {
                        calibration.observe($0, using: workspace)
                    }
                } catch {
                    complain("\(error)")
                    throw ExitCode(EngineFailure.input.rawValue)
                }
            }
            let (layers, kept) = try orExit(.input) { () throws(EngineError) in try calibration.write(to: output) }
            print(
                "\(output): \(layers) layers in int8, \(kept) tensors as they were; \(calibration.pictures) pictures seen"
            )
        }
    }
}
