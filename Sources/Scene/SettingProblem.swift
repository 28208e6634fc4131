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
    public static func outside<Value: Comparable & CustomStringConvertible>(
        _ range: ClosedRange<Value>, _ key: String, _ value: Value, unit: String = ""
    ) -> SettingProblem? {
        guard !range.contains(value) else { return nil }
        let suffix = unit.isEmpty ? "" : " " + unit
        return SettingProblem(
            path: [key], found: value.description, allowed: "\(range.lowerBound)...\(range.upperBound)\(suffix)")
    }
}
