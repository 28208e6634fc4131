/// A setting with a value that is not allowed, as the room that owns the setting tells it.
public struct SettingProblem: Error, Equatable, Sendable {
    /// The keys that lead to it from the settings that were asked, as they stand in the file: `["zones", "door"]`.
    public let path: [String]
    /// The value that was found.
    public let found: String
    /// What would have been allowed, with its unit: `0...1`, `1 second or more`.
    public let allowed: String

    public init(path: [String], found: String, allowed: String) {
        self.path = path
        self.found = found
        self.allowed = allowed
    }

    /// The same problem, seen from settings that hold this one's under `key`.
    public func under(_ key: String...) -> SettingProblem {
        SettingProblem(path: key + path, found: found, allowed: allowed)
    }
}

/// Settings that know which of their values are allowed.
public protocol CheckedSettings {
    /// Every value that is not allowed; empty when all is well.
    func problems() -> [SettingProblem]
}

extension SettingProblem {
    /// nil when `value` lies in `range`.
    public static func outside<Value: BinaryInteger>(
        _ range: ClosedRange<Value>, _ key: String, _ value: Value, unit: String = ""
    ) -> SettingProblem? {
        range.contains(value) ? nil : outside("\(range.lowerBound)...\(range.upperBound)", key, "\(value)", unit)
    }

    /// nil when `value` lies in `range`.
    public static func outside<Value: BinaryFloatingPoint>(
        _ range: ClosedRange<Value>, _ key: String, _ value: Value, unit: String = ""
    ) -> SettingProblem? {
        if range.contains(value) { return nil }
        let (low, high) = (plain(Double(range.lowerBound)), plain(Double(range.upperBound)))
        return outside("\(low)...\(high)", key, plain(Double(value)), unit)
    }

    private static func outside(_ allowed: String, _ key: String, _ found: String, _ unit: String) -> SettingProblem {
        SettingProblem(path: [key], found: found, allowed: unit.isEmpty ? allowed : "\(allowed) \(unit)")
    }
}

/// A number as people write it: `3` and not `3.0`, `1000000000000000` and not `1e+15`; one that came from a `Float` with
/// that type's digits, `0.1` and not `0.10000000149011612`.
public func plain(_ value: Double) -> String {
    if let whole = Int64(exactly: value) { return "\(whole)" }
    return Double(Float(value)) == value ? "\(Float(value))" : "\(value)"
}
