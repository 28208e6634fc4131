internal import Scene
internal import Synchronization

/// The last moment of every camera, for those who look on.
final class LiveMoments: Sendable {
    private let moments = Mutex<[CameraID: LiveMoment]>([:])

    func show(_ moment: LiveMoment) { moments.withLock { $0[moment.frame.camera] = moment } }

    subscript(camera: CameraID) -> LiveMoment? { moments.withLock { $0[camera] } }

    func forget(_ camera: CameraID) { moments.withLock { $0[camera] = nil } }
}
