public import Scene

/// Where one camera's log and its state lie.
public struct LogPaths: Sendable, Equatable {
    /// The log that is written; older ones lie beside it as `<active>.<number of its first line>`.
    public let active: String
    /// Keeps a second process away.
    let lock: String
    /// Numbers that must survive when logs are gone; nil for a replay.
    let state: String?
    /// Pictures that retention covers.
    let pictures: String?

    /// A daemon's log.
    /// - Parameters:
    ///   - directory: of the logs; created when it is missing.
    ///   - stateDirectory: such as systemd's `StateDirectory`; by default the logs' own.
    ///   - pictures: the camera's directory of best views, when there is one.
    public init(camera: CameraID, directory: String, stateDirectory: String? = nil, pictures: String? = nil) {
        self.init(
            name: Self.fileName(camera), directory: directory, stateDirectory: stateDirectory, pictures: pictures)
    }

    /// A daemon's log.
    /// - Parameter name: As in its files' names.
    init(name: String, directory: String, stateDirectory: String?, pictures: String?) {
        self.active = directory + "/" + name + Self.suffix
        self.lock = directory + "/." + name + ".lock"
        self.state = (stateDirectory ?? directory) + "/" + (stateDirectory == nil ? "." : "") + name + ".state.json"
        self.pictures = pictures
    }

    /// A replay's log.
    public init(replay path: String) {
        self.active = path
        let (directory, name) = Self.split(path)
        self.lock = directory + "/." + name + ".lock"
        self.state = nil
        self.pictures = nil
    }

    /// The state of another camera with the same directories.
    /// - Parameter name: As in its files' names.
    func state(of name: String) -> String {
        let (folder, own) = Self.split(state ?? active)
        return folder + "/" + (own.hasPrefix(".") ? "." : "") + name + ".state.json"
    }

    /// Where the log goes when it is rotated.
    /// - Parameter first: The sequence number of its first line.
    func rotated(first: UInt64) -> String {
        let digits = String(first)
        return active + "." + String(repeating: "0", count: max(0, 12 - digits.count)) + digits
    }

    /// The ending of the name of a log that is written.
    static let suffix = ".jsonl"

    /// What a log was called before it was rotated, by us or logrotate, and perhaps compressed; nil for other files.
    static func origin(ofRotated name: String) -> String? {
        name.wholeMatch(of: /(.+\.jsonl)(\.[0-9]+|-[0-9][0-9-]*)(\.(gz|bz2|xz|zst))?/).map { String($0.1) }
    }

    var directory: String { Self.split(active).directory }
    var name: String { Self.split(active).name }

    /// A camera's name as a file name: what is not a letter, digit, `-`, `_` or an inner `.` is spelled `%XX`.
    public static func fileName(_ camera: CameraID) -> String {
        let hex = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in camera.name.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                bytes.append(byte)
            case UInt8(ascii: ".") where !bytes.isEmpty: bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func split(_ path: String) -> (directory: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let directory = slash == path.startIndex ? "/" : String(path[..<slash])
        return (directory, String(path[path.index(after: slash)...]))
    }
}
