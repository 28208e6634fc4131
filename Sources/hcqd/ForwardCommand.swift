import ArgumentParser
internal import Engine
internal import Scene

/// `hcqd forward`
struct ForwardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forward", abstract: "Run the network on one normalised picture and write every output.",
        discussion: """
            The input holds one tensor `image` [1, 3, H, W]: float32, normalised, sides multiples of 32. The output holds \
            class_logits, mask_logits, keypoints, joints, embeddings, and box_sigma and pose_sigma where the model has them. \
            For a network whose queries start from proposals the input may hold the choice, `chosen` [1, Q].

            Example:
              hcqd forward --model M.safetensors --input X.safetensors \\
                --output Y.safetensors
            """)

    @Option(help: "The network.", completion: .file(extensions: ["safetensors"]))
    var model: String

    @Option(help: "The picture.", completion: .file(extensions: ["safetensors"]))
    var input: String

    @Option(help: "Where the outputs go.", completion: .file(extensions: ["safetensors"]))
    var output: String

    @Option(help: "Cores that share the work; all by default. The outputs do not depend on it.")
    var threads: Int?

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads \(threads): must be at least 1.") }
    }

    func run() throws {
        let network = try orExit(.model) { () throws(EngineError) in try HCQNet(contentsOf: model) }
        let (image, size) = try orExit(.input) { () throws(EngineError) in try picture() }
        let workspace = network.makeWorkspace(for: size, threads: threads)
        try orExit(.input) { () throws(EngineError) in
            let chosen = try SafetensorsFile(path: input).values("chosen", includingIntegers: true)
            let outputs = try network.outputs(image, chosen: chosen, using: workspace)
            try SafetensorsFile.write(outputs, metadata: [:], to: output)
        }
    }

    private func picture() throws(EngineError) -> ([Float], PixelSize) {
        let file = try SafetensorsFile(path: input)
        guard let shape = file.entries["image"]?.shape, let values = try file.values("image") else {
            throw .wrongInput(reason: "\(input) has no tensor 'image'")
        }
        guard shape.count == 4, shape[0] == 1, shape[1] == 3, shape[2] > 0, shape[3] > 0, shape[2] % 32 == 0,
            shape[3] % 32 == 0
        else {
            throw .wrongInput(
                reason: "\(input): tensor 'image' has shape \(shape), expected [1, 3, H, W] with sides multiples of 32")
        }
        return (values, PixelSize(width: shape[3], height: shape[2]))
    }
}
