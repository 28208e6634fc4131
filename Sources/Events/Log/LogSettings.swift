/// How a log lies on disk.
public struct LogSettings: Codable, Sendable, Equatable {
    /// A log longer than this is rotated: renamed, and a new one begun. Bytes, 65536 up, default 64 MiB.
    public var rotateBytes: Int64 = 64 << 20
    /// So is one whose first line is older than this. Hours, 0.01...8760; nil is never; default 24.
    public var rotateHours: Double? = 24
    /// Logs and pictures older than this are removed. Days, over 0; nil (the default) is never.
    public var keepDays: Double?
    /// The oldest go while all cameras' together have more bytes than this. nil (the default) is no limit.
    public var keepBytes: Int64?
    /// The oldest go while the disk has fewer free bytes than this. nil (the default) is no limit.
    public var keepFreeBytes: Int64?
    /// Lines wait in this much memory while the disk fails. Bytes, 1 MiB up, default 8 MiB.
    public var memoryBytes: Int = 8 << 20

    public init() {}

    /// Whether old files are ever removed.
    var hasLimit: Bool { keepDays != nil || keepBytes != nil || keepFreeBytes != nil }

    public enum CodingKeys: String, CodingKey, CaseIterable {
        case rotateBytes = "rotate_bytes"
        case rotateHours = "rotate_hours"
        case keepDays = "keep_days"
        case keepBytes = "keep_bytes"
        case keepFreeBytes = "keep_free_bytes"
        case memoryBytes = "memory_bytes"
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        rotateBytes = try values.decodeIfPresent(Int64.self, forKey: .rotateBytes) ?? rotateBytes
        if values.contains(.rotateHours) { rotateHours = try values.decode(Double?.self, forKey: .rotateHours) }
        keepDays = try values.decodeIfPresent(Double.self, forKey: .keepDays)
        keepBytes = try values.decodeIfPresent(Int64.self, forKey: .keepBytes)
        keepFreeBytes = try values.decodeIfPresent(Int64.self, forKey: .keepFreeBytes)
        memoryBytes = try values.decodeIfPresent(Int.self, forKey: .memoryBytes) ?? memoryBytes
    }

    /// - Throws: the first value that is out of its range.
    public func validate() throws(EventSettingsError) {
        if let first = problems().first { throw first }
    }

    /// Every value that is out of its range.
    public func problems() -> [EventSettingsError] {
        let values: [(path: String, found: Double?, low: Double, high: Double)] = [
            ("rotate_bytes", Double(rotateBytes), 65_536, 1e15), ("rotate_hours", rotateHours, 0.01, 8760),
            ("keep_days", keepDays, 0.0001, 1e6), ("keep_bytes", keepBytes.map { Double($0) }, 65_536, 1e15),
            ("keep_free_bytes", keepFreeBytes.map { Double($0) }, 0, 1e15),
            ("memory_bytes", Double(memoryBytes), Double(1 << 20), 1e15),
        ]
        return values.compactMap { path, found, low, high in
            guard let found, !(found >= low && found <= high) else { return nil }
            return .outOfRange(path: path, found: found, low: low, high: high)
        }
    }
}
