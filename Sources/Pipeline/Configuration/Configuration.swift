public import Engine
public import Events
internal import Foundation
public import Ingest
public import Rendering
public import Scene
public import Tracking

/// Everything that the daemon is told by its file: the rooms' own settings, composed.
///
/// `Config/hcqd.yaml` shows every key with its unit and default.
public struct Configuration: Codable, Sendable, Equatable, CheckedSettings {
    public var model = ModelSettings()
    public var storage = StorageSettings()
    public var log = LogSettings()
    public var tracking = TrackerSettings()
    public var rendering = RenderingSettings()
    public var http = HTTPSettings()
    public var mqtt = MQTTSettings()
    public var hooks = HookSettings()
    /// By the name that stands in the log.
    public var cameras: [String: CameraSettings] = [:]

    public init() {}

    /// Reads and checks a file.
    /// - Throws: `ConfigurationError` with everything that is wrong in it.
    public init(contentsOf path: String) throws {
        func refused(_ reason: String) -> ConfigurationError {
            ConfigurationError(problems: [
                ConfigurationProblem(file: path, line: nil, path: "", found: reason, allowed: "")
            ])
        }
        guard FileManager.default.fileExists(atPath: path) else { throw refused("no such file") }
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        // No more than is looked at, so that a device without an end is a file that is too long.
        guard !isFolder.boolValue, let file = FileHandle(forReadingAtPath: path) else {
            throw refused(isFolder.boolValue ? "is a folder" : "cannot be read by this user")
        }
        var bytes = Data()
        // A pipe gives what it has, again and again.
        while bytes.count <= ConfigurationFile.largest,
            let more = try? file.read(upToCount: ConfigurationFile.largest + 1 - bytes.count), !more.isEmpty
        { bytes += more }
        guard bytes.count <= ConfigurationFile.largest else {
            throw refused("has more than \(ConfigurationFile.largest) bytes")
        }
        guard let text = String(bytes: bytes, encoding: .utf8) else {
            throw refused("is no text in UTF-8: save it so, or convert it (iconv -f latin1 -t utf8)")
        }
        self = try ConfigurationFile.read(text, file: path, defaults: Configuration())
    }

    public func problems() -> [SettingProblem] {
        var problems = model.problems().map { $0.under("model") }
        problems += http.problems().map { $0.under("http") }
        problems += mqtt.problems().map { $0.under("mqtt") }
        problems += hooks.problems().map { $0.under("hooks") }
        problems += storage.problems().map { $0.under("storage") }
        problems += log.problems().map { $0.settingProblem.under("log") }
        problems += tracking.problems().map { $0.under("tracking") }
        problems += rendering.problems().map { $0.under("rendering") }
        for (name, camera) in cameras.sorted(by: { $0.key < $1.key }) {
            problems += camera.problems(name: name).map { $0.under("cameras", name) }
        }
        return problems
    }

    /// Every file that `file`'s settings name and that this machine does not have, or this user may not read or run.
    public func missingFiles(file: String) -> [ConfigurationProblem] {
        let files = FileManager.default
        var problems: [ConfigurationProblem] = []
        func note(_ path: String, _ found: String, _ allowed: String) {
            problems.append(ConfigurationProblem(file: file, line: nil, path: path, found: found, allowed: allowed))
        }
        if let program = hooks.command.first, program.contains("/"), !files.isExecutableFile(atPath: program) {
            note("hooks.command", "'\(program)', which cannot be run here", "a program and its arguments")
        }
        let aFile = "the path of a readable file"
        let aCamera = "a URL like rtsp://HOST/PATH, or the path of a device or file"
        let places = [("model.path", model.path, aFile), ("mqtt.ca_file", mqtt.caFile, aFile)]
        let cameras = cameras.sorted { $0.key < $1.key }.map { ("cameras.\($0.key).url", $0.value.url, aCamera) }
        for (path, name, allowed) in places + cameras.filter({ urlScheme(of: $0.1) == nil })
        where !name.isEmpty && !name.contains(where: { "*?[$".contains($0) }) && !files.isReadableFile(atPath: name) {
            note(path, "'\(redactedURL(name))', which cannot be read here", allowed)
        }
        return problems
    }

    /// Settings that may hold `${NAME}`, by path.
    private var secretPlaces: [(path: [String], text: String)] {
        [
            (["http", "token"], http.token), (["mqtt", "password"], mqtt.password),
            (["mqtt", "username"], mqtt.username), (["hooks", "webhook"], hooks.webhook),
        ] + cameras.sorted { $0.key < $1.key }.map { (["cameras", $0.key, "url"], $0.value.url) }
    }

    /// The NAME of every `${NAME}`.
    var secretNames: Set<String> { Set(secretPlaces.flatMap { Secrets.names(in: $0.text) }) }

    /// Every `${NAME}` in `file`'s settings that stands for nothing on this machine.
    public func missingSecrets(_ secrets: Secrets, file: String) -> [ConfigurationProblem] {
        secretPlaces.compactMap { path, text -> ConfigurationProblem? in
            // Not shown: it may be a part of a password.
            if text.firstMatch(of: /\$[A-Za-z_]/) != nil {
                return ConfigurationProblem(
                    file: file, line: nil, path: path.joined(separator: "."),
                    found: "a $ without braces, which stays as it is",
                    allowed: "${NAME} for a secret")
            }
            do throws(Secrets.Missing) {
                _ = try secrets.expand(text)
                return nil
            } catch {
                return ConfigurationProblem(
                    file: file, line: nil, path: path.joined(separator: "."),
                    found: "${\(error.name)}, which stands for nothing here",
                    allowed: "the name of a systemd credential or of an environment variable")
            }
        }
    }
}

/// The network and how it runs.
public struct ModelSettings: Codable, Sendable, Equatable, CheckedSettings {
    /// Weight file; empty: the one that came with hcqd.
    public var path = ""
    /// What the network sees of a frame, pixels; multiples of 32.
    public var inputWidth = 640
    public var inputHeight = 384
    /// Frames in the network at the same time; 0 chooses by cores and cameras.
    public var workers = 0
    /// Cores that work on one frame; 0 gives each worker its share.
    public var threads = 0
    /// Looser than the engine's own: the tracker continues tracks with weak detections.
    public var people = PeopleSettings()

    public init() { people.scoreThreshold = 0.2 }

    public var inputSize: PixelSize { PixelSize(width: inputWidth, height: inputHeight) }

    public func problems() -> [SettingProblem] {
        var problems = [
            SettingProblem.outside(0...256, "workers", workers), SettingProblem.outside(0...256, "threads", threads),
            SettingProblem.outside(0...1, "score_threshold", people.scoreThreshold)?.under("people"),
        ].compactMap { $0 }
        for (key, side) in [("input_width", inputWidth), ("input_height", inputHeight)]
        where !(32...4096).contains(side) || side % 32 != 0 {
            problems.append(
                SettingProblem(path: [key], found: "\(side)", allowed: "a multiple of 32 pixels, 32...4096"))
        }
        return problems
    }
}

/// Where things are kept.
public struct StorageSettings: Codable, Sendable, Equatable, CheckedSettings {
    /// Event logs.
    public var directory = "/var/lib/hcqd/events"
    /// What must survive when logs are gone; empty: the logs' own directory.
    public var stateDirectory = ""

    public init() {}

    public func problems() -> [SettingProblem] {
        [("directory", directory), ("state_directory", stateDirectory)].compactMap { key, path in
            let isFine = path.hasPrefix("/") || (path.isEmpty && key != "directory")
            return isFine ? nil : SettingProblem(path: [key], found: "'\(path)'", allowed: "a path that starts with /")
        }
    }
}

/// What becomes of the best view of a person.
public enum SnapshotMode: String, Codable, Sendable, CaseIterable {
    case none
    case plain
    /// People are covered by their silhouettes.
    case redacted
}

/// One camera.
public struct CameraSettings: Codable, Sendable, Equatable, DefaultSettings {
    /// Where it is: rtsp, rtmp, http, https, a V4L2 device or a file. May hold `${NAME}`.
    public var url = ""
    public var enabled = true
    /// Frames per second for the network at most; null: an equal share of what the engine can do.
    public var fps: Double?
    public var connection = ConnectionSettings()
    public var events = EventSettings()
    /// Whether the best view of every person is written as a picture, and whether people are covered in it.
    public var snapshots = SnapshotMode.none
    /// Frames in which nothing moves are left out.
    public var motion = MotionGateSettings()

    public init() {}

    /// How often a web server is asked for its next picture, where it gives one at a time.
    var stillFPS: Double { min(fps ?? 1, 5) }

    /// A URL that no camera can have; whether anyone answers there is seen when it is opened.
    private var urlProblem: SettingProblem? {
        guard let scheme = urlScheme(of: url) else { return nil }
        guard knownSchemes.contains(scheme) else {
            let nearest = nearestName(to: scheme, among: knownSchemes).map { "; did you mean '\($0)://'?" } ?? ""
            return SettingProblem(
                path: ["url"], found: "'\(scheme)://'",
                allowed: "\(knownSchemes.map { "\($0)://" }.joined(separator: ", ")) or a path" + nearest)
        }
        let rest = url.dropFirst(scheme.count + 3)
        guard scheme != "file" else { return nil }
        func problem(_ allowed: String) -> SettingProblem {
            SettingProblem(path: ["url"], found: "'\(redactedURL(url))'", allowed: "\(scheme)://\(allowed)")
        }
        let host = rest.prefix { !"/?#".contains($0) }
        if host.isEmpty { return problem("HOST/PATH: the host is missing") }
        // What stands for a secret is not looked at.
        if let port = host.wholeMatch(of: /.*:([0-9]+)/)?.1, !(1...65_535).contains(Int(port) ?? .max) {
            return problem("HOST:PORT/PATH with a port of 1...65535")
        }
        return nil
    }

    func problems(name: String) -> [SettingProblem] {
        var problems: [SettingProblem] = []
        if url.isEmpty {
            problems.append(
                SettingProblem(path: ["url"], found: "nothing", allowed: "this key is required: a URL or a path"))
        }
        if name.isEmpty || name.utf8.count > 64
            || name.unicodeScalars.contains(where: {
                "/+#".unicodeScalars.contains($0) || $0.properties.generalCategory == .control
            })
        {
            problems.append(
                SettingProblem(
                    path: [], found: "'\(name)'",
                    allowed: "a name of 1...64 bytes without /, +, # and control characters"))
        }
        if let fps, let problem = SettingProblem.outside(0.05...240, "fps", fps, unit: "per second") {
            problems.append(problem)
        }
        if let problem = urlProblem { problems.append(problem) }
        problems += connection.problems().map { $0.under("connection") }
        problems += motion.problems().map { $0.under("motion") }
        problems += events.problems().map { $0.settingProblem.under("events") }
        return problems
    }
}

extension EventSettingsError {
    /// `zones[1].polygon: ...` as a path and a sentence.
    var settingProblem: SettingProblem {
        let text = description
        let colon = text.firstIndex(of: ":") ?? text.startIndex
        let path = text[..<colon].split(whereSeparator: { ".[]".contains($0) }).map(String.init)
        let rest = text[colon...].drop { ": ".contains($0) }
        return SettingProblem(path: path, found: String(rest), allowed: "")
    }
}
