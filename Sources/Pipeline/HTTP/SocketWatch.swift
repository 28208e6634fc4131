internal import FlyingFox
internal import FlyingSocks

/// The one pool that waits for sockets: FlyingSocks' pools leave a descriptor behind when they end, and two when they
/// never ran, so a port that is taken, tried again every 5 s, would use up all descriptors within the hour.
actor SocketWatch {
    static let shared = SocketWatch()

    private var pool: (any AsyncSocketPool)?

    /// Begins with the first listener and goes on for as long as the process.
    func running() async throws -> any AsyncSocketPool {
        if let pool { return pool }
        let new = HTTPServer.defaultPool(logger: .disabled)
        pool = new
        do { try await new.prepare() } catch {
            pool = nil
            throw error
        }
        Task {
            try? await new.run()
            pool = nil
        }
        return new
    }
}
