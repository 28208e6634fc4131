internal import CKernels
public import Scene

/// What follows from the weights and the size of the input alone.
final class Constants: Sendable {
    let encoder: EncoderTables
    /// Of the decoder's cross-attention.
    let geometry: SamplingGeometry

    init(_ network: HCQNet, size: PixelSize) {
        let configuration = network.configuration
        encoder = EncoderTables(network.pixelDecoder, size: size)
        geometry = SamplingGeometry(
            size: size, heads: configuration.heads, points: configuration.points,
            channels: configuration.hiddenDim / configuration.heads)
    }
}

/// The memory of one engine worker for one network and one size of input; used by one thread at a time.
public final class Workspace: @unchecked Sendable {
    /// Of the network's input.
    public let size: PixelSize
    /// How many cores share the work.
    public let threads: Int
    /// What becomes a `Person`, and how much of it.
    public var people = PeopleSettings()
    let network: HCQNet
    let constants: Constants
    let pass: Pass
    /// What a pass costs by the network's definition.
    let plan: Pass
    var extraction: PeopleExtraction

    init(_ network: HCQNet, size: PixelSize, threads: Int) {
        precondition(size.width > 0 && size.height > 0 && size.width % 32 == 0 && size.height % 32 == 0)
        (self.network, self.size, self.threads) = (network, size, threads)
        constants = Constants(network, size: size)
        extraction = PeopleExtraction(network.configuration)
        plan = Pass(threads: threads)
        network.forward(size, constants, using: plan) { _ in
        } _: { [plan, extraction] output in
            extraction.reserve(output, using: plan)
        }
        pass = Pass(threads: threads, plan: plan)
    }

    /// Whether passes note where their time goes; costs a little.
    public var isTiming: Bool {
        get { pass.books.isTiming }
        set { pass.books.isTiming = newValue }
    }

    /// Seconds by layer, each at its best of all passes that were timed.
    public var profile: [(name: String, seconds: Double)] { pass.books.layers.map { ($0.name, $0.least) } }

    /// Bytes of activations and scratch memory, planned from lifetimes.
    public var bytes: Int { plan.bytes }
}
