/// How a log lies on disk.
public struct LogSettings: Codable, Sendable, Equatable {
    /// A log longer than this is put aside and a new one begun. Bytes, 65536 up, default 64 MiB.
    public var rotateBytes: Int64 = 64 << 20
    /// So is one whose first line is older than this. Hours, 0.01...8760; nil is never; default 24.
    public var rotateHours: Double? = 24
    /// Logs and pictures older than this are removed. Days, over 0; nil (the default) is never.
    public var keepDays: Double?
    /// The oldest go while all together have more bytes than this. nil (the default) is no limit.
    public var keepBytes: Int64?
    /// The oldest go while the disk has fewer free bytes than this. nil (the default) is no limit.
    public var keepFreeBytes: Int64?
    /// Lines wait in this much memory while the disk fails. Bytes, 1 MiB up, default 8 MiB.
    public var memoryBytes: Int = 8 << 20

    public init() {}

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
        try check("rotate_bytes", Double(rotateBytes), from: 65_536)
        if let rotateHours { try check("rotate_hours", rotateHours, from: 0.01, to: 8760) }
        if let keepDays { try check("keep_days", keepDays, from: 0.0001) }
        if let keepBytes { try check("keep_bytes", Double(keepBytes), from: 65_536) }
        if let keepFreeBytes { try check("keep_free_bytes", Double(keepFreeBytes), from: 0) }
        try check("memory_bytes", Double(memoryBytes), from: Double(1 << 20))
    }

    private func check(
        _ path: String, _ value: Double, from low: Double, to high: Double = 1e15
    ) throws(EventSettingsError) {
        guard value >= low, value <= high else { throw .outOfRange(path: path, found: value, low: low, high: high) }
    }
}
