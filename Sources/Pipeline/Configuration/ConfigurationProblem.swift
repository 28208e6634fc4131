/// One thing that is wrong with a configuration file, with the place where it stands.
public struct ConfigurationProblem: Error, Equatable, Sendable, CustomStringConvertible {
    public let file: String
    /// From 1; nil when the file could not be read at all.
    public let line: Int?
    /// Keys joined by dots: `cameras.door.url`; empty for the file as a whole.
    public let path: String
    public let found: String
    /// Empty when `found` is a whole sentence.
    public let allowed: String
    /// The known key that looks most like the one found, or the whole path of one of that name elsewhere.
    public var nearest: String?

    public var description: String {
        let place = file + (line.map { ":\($0)" } ?? "")
        let key = path.isEmpty ? "" : " \(path):"
        let hint = nearest.map { "; did you mean '\($0)'?" } ?? ""
        return allowed.isEmpty
            ? "\(place):\(key) \(found)\(hint)" : "\(place):\(key) found \(found); allowed: \(allowed)\(hint)"
    }

    /// Whether `other` is only what follows from this: it stands at the same place, around it or in it, or misses the key that
    /// was misspelled here.
    func explains(_ other: ConfigurationProblem) -> Bool {
        if path == other.path || path.hasPrefix(other.path + ".") || other.path.hasPrefix(path + ".") { return true }
        guard let nearest else { return false }
        return nearest == other.path
            || (path.split(separator: ".").dropLast() + [nearest[...]]).joined(separator: ".") == other.path
    }
}

/// Why a configuration was refused: everything that is wrong with it, in the order of the file.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    public let problems: [ConfigurationProblem]

    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
