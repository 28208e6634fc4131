public import Scene

/// When a frame is worth the network's time.
public struct MotionGateSettings: Codable, Sendable, Equatable, CheckedSettings {
    public var enabled = false
    /// A pixel has changed when its brightness differs by more than this, 1...255.
    public var threshold = 12
    /// So much of the picture must have changed, 0...1.
    public var area: Double = 0.002
    /// Without motion a frame goes through after so many seconds all the same.
    public var idleInterval: Double = 2

    public init() {}

    enum CodingKeys: String, CodingKey {
        case enabled, threshold, area
        case idleInterval = "idle_interval_s"
    }

    public func problems() -> [SettingProblem] {
        [
            SettingProblem.outside(1...255, "threshold", threshold), SettingProblem.outside(0...1, "area", area),
            SettingProblem.outside(0...3600, "idle_interval_s", idleInterval, unit: "seconds"),
        ].compactMap { $0 }
    }
}

/// Leaves frames out in which nothing moved since the last one that passed.
///
/// It compares the brightness of every fourth pixel of every fourth row of the network's picture with that of the last
/// frame that passed, so that slow changes add up and pass in the end.
struct MotionGate {
    private let settings: MotionGateSettings
    private var reference: [UInt8] = []
    private var content = PixelSize(width: 0, height: 0)
    private var lastPass: StreamTime?

    init(_ settings: MotionGateSettings) { self.settings = settings }

    /// - Parameter isBusy: Whether somebody is being followed; then everything passes.
    mutating func passes(_ frame: Frame, isBusy: Bool) -> Bool {
        guard settings.enabled else { return true }
        let brightness = Self.brightness(of: frame.input)
        let isDue = lastPass.map { frame.time.seconds(since: $0) >= settings.idleInterval || frame.time < $0 } ?? true
        let isNew = frame.input.content != content
        guard isBusy || isDue || isNew || changedShare(brightness) >= settings.area else { return false }
        reference = brightness
        content = frame.input.content
        lastPass = frame.time
        return true
    }

    private func changedShare(_ brightness: [UInt8]) -> Double {
        var changed = 0
        for (now, before) in zip(brightness, reference) where abs(Int(now) - Int(before)) > settings.threshold {
            changed += 1
        }
        return Double(changed) / Double(max(1, brightness.count))
    }

    private static func brightness(of picture: NetworkPicture) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity((picture.content.width / 4 + 1) * (picture.content.height / 4 + 1))
        for y in stride(from: 0, to: picture.content.height, by: 4) {
            let row = picture.pixels + y * picture.size.width * 3
            for x in stride(from: 0, to: picture.content.width, by: 4) {
                let (r, g, b) = (Int(row[3 * x]), Int(row[3 * x + 1]), Int(row[3 * x + 2]))
                bytes.append(UInt8((r * 77 + g * 150 + b * 29) >> 8))
            }
        }
        return bytes
    }
}
