internal import Logging
internal import Scene
internal import Synchronization

/// The cameras of a running daemon, and the engine that they share. Used from the daemon's control queue; reading is open
/// to all.
final class CameraFleet: Sendable {
    private let cameras = Mutex<[String: CameraPipeline]>([:])
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    /// By name.
    var all: [CameraPipeline] { cameras.withLock { $0.values.sorted { $0.id.name < $1.id.name } } }

    subscript(name: String) -> CameraPipeline? { cameras.withLock { $0[name] } }

    /// Brings the cameras to what `configuration` says; those whose settings are the same go on undisturbed.
    /// - Parameters:
    ///   - old: What they run with now; nil when everything must start anew.
    func apply(_ configuration: Configuration, old: Configuration?, _ shared: CameraSurroundings) {
        let running = cameras.withLock { $0 }
        let wanted = configuration.cameras.filter { $0.value.enabled }
        var leaving: [CameraPipeline] = []
        for (name, camera) in running {
            let stays = wanted[name].map { $0 == camera.settings && old != nil } ?? false
            guard !stays else { continue }
            camera.stop(wanted[name] == nil ? .disabled : .restart)
            let news = wanted[name] == nil ? "ends, the configuration has it no more" : "starts anew with new settings"
            logger.notice("camera \(name): \(news)")
            leaving.append(camera)
        }
        joinAll(leaving, within: 10)
        var started: [CameraPipeline] = []
        cameras.withLock { cameras in
            for camera in leaving { cameras[camera.id.name] = nil }
            for (name, settings) in wanted where cameras[name] == nil {
                let camera = CameraPipeline(CameraID(name), settings, of: configuration, shared)
                cameras[name] = camera
                started.append(camera)
            }
        }
        for camera in started { camera.start() }
    }

    /// Ends every camera and waits for them.
    func stop(_ reason: EndReason, within seconds: Double) {
        let all = all
        for camera in all { camera.stop(reason) }
        joinAll(all, within: seconds)
        cameras.withLock { $0.removeAll() }
    }

    private func joinAll(_ leaving: [CameraPipeline], within seconds: Double) {
        let deadline = monotonicSeconds() + seconds
        for camera in leaving where !camera.join(within: max(0.1, deadline - monotonicSeconds())) {
            logger.error("camera \(camera.id) did not end in time")
        }
    }
}
