import ArgumentParser
internal import Engine
internal import Foundation

/// `hcqd model`
struct ModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "Look at a network's weights, or write new ones.",
        subcommands: [Info.self, New.self, Quantize.self])

    /// `hcqd model info`
    struct Info: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Configuration, parameters and multiply-accumulates per module.",
            discussion: """
                Counted are convolutions, linear layers and matrix products; deformable sampling stands apart.

                Example:
                  hcqd model info M.safetensors --size 1024x1024
                """)

        @Argument(help: "The network.", completion: .file(extensions: ["safetensors"]))
        var model: String

        @Option(help: "Size of the input: \(InputSize.rule).")
        var size = InputSize(width: 640, height: 384)

        func run() throws {
            let network = try orExit(.model) { () throws(EngineError) in try HCQNet(contentsOf: model) }
            print(network.summary(for: size.pixels))
        }
    }

    /// `hcqd model new`
    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a network of random weights: it detects nothing, and is there for tests and for training.",
            discussion: """
                The configuration is a JSON object; absent fields have the paper's values. Equal seeds give equal files.

                Example:
                  echo '{"backbone": "swin_t", "queries": 50}' > C.json
                  hcqd model new --config C.json --seed 7 -o M.safetensors
                """)

        @Option(
            help: "The configuration; the paper's model with ResNet-50 by default.",
            completion: .file(extensions: ["json"]))
        var config: String?

        @Option(help: "Where the random numbers start.")
        var seed: UInt64 = 0

        @Option(name: .shortAndLong, help: "Where the network goes.", completion: .file(extensions: ["safetensors"]))
        var output: String

        func run() throws {
            let configuration = try orExit(.model) { () throws(EngineError) in
                try NetworkConfiguration(json: try text())
            }
            try orExit(.input) { () throws(EngineError) in
                try HCQNet.writeNew(configuration, seed: seed, to: output)
            }
        }

        private func text() throws(EngineError) -> String {
            guard let config else { return "{}" }
            guard let data = FileManager.default.contents(atPath: config) else {
                throw .unreadable(path: config, reason: "cannot be read")
            }
            return String(decoding: data, as: UTF8.self)
        }
    }
}
