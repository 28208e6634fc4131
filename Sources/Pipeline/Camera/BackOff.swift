/// How long to wait before a camera is tried again: 1, 2, 5, 10, then 30 s, each up to a quarter shorter by chance.
///
/// A camera that was good for 60 s starts from the beginning.
public struct BackOff: Sendable {
    static let steps: [Double] = [1, 2, 5, 10, 30]
    /// Seconds of good frames after which a failure counts as the first one.
    static let goodTime = 60.0

    /// Failures since the camera was last good.
    public private(set) var failures = 0

    public init() {}

    /// Notes a failure.
    /// - Parameters:
    ///   - goodSeconds: How long frames came before it.
    ///   - chance: 0...1; the jitter that keeps many cameras from coming back in step.
    /// - Returns: Seconds to wait.
    public mutating func failed(after goodSeconds: Double, chance: Double) -> Double {
        if goodSeconds >= Self.goodTime { failures = 0 }
        let step = Self.steps[min(failures, Self.steps.count - 1)]
        failures += 1
        return step * (1 - 0.25 * chance)
    }
}
