public import Engine
internal import Foundation
public import Scene

extension EngineWorkers {
    /// The engine's workers for one network.
    /// - Parameters:
    ///   - settings: Workers and threads; 0 chooses: as many workers as `wanted`, each with its share of the cores.
    ///   - inputSize: Of the frames that will come.
    ///   - wanted: Frames that it makes sense to have in the network at the same time.
    public convenience init(
        _ network: HCQNet, settings: ModelSettings, inputSize: PixelSize, wanted: Int, watch: LoopWatch? = nil
    ) {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let workers = settings.workers > 0 ? settings.workers : max(1, min(wanted, cores))
        let threads = settings.threads > 0 ? settings.threads : max(1, cores / workers)
        self.init(count: workers, watch: watch) {
            let workspace = network.makeWorkspace(for: inputSize, threads: threads)
            workspace.people = settings.people
            return { frame in network(frame, using: workspace) }
        }
    }
}

extension ModelSettings {
    /// Loads the network that the settings name, or else the one that came with hcqd.
    /// - Throws: `ModelMissing` or `EngineError`.
    public func load() throws -> HCQNet {
        guard let file = path.isEmpty ? ModelFinder.find() : path else { throw ModelMissing() }
        return try HCQNet(contentsOf: file)
    }
}
