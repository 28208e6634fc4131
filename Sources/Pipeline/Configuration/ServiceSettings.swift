internal import Events
internal import Glibc
internal import Ingest
public import Scene

/// The HTTP server: health, metrics, events and the live page.
public struct HTTPSettings: Codable, Sendable, Equatable, CheckedSettings {
    public var enabled = false
    public var address = "127.0.0.1"
    public var port = 8686
    /// Bearer token; any address but loopback needs one. May hold `${NAME}`.
    public var token = ""
    /// Pictures of the live page, per second and camera.
    public var pictureFPS: Double = 5

    public init() {}

    enum CodingKeys: String, CodingKey {
        case enabled, address, port, token
        case pictureFPS = "picture_fps"
    }

    var isLoopback: Bool { Self.isLoopback(address) }

    /// Whether a name or an address always stands for this machine; `127.0.0.1.example` does not.
    static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || (host.hasPrefix("127.") && isAddress(host))
    }

    /// Whether a text is an IPv4 or IPv6 address.
    public static func isAddress(_ text: String) -> Bool {
        var bytes = in6_addr()
        return inet_pton(AF_INET, text, &bytes) == 1 || inet_pton(AF_INET6, text, &bytes) == 1
    }

    public func problems() -> [SettingProblem] {
        var problems = [
            SettingProblem.outside(0...65_535, "port", port),
            SettingProblem.outside(0.1...30, "picture_fps", pictureFPS, unit: "per second"),
        ].compactMap { $0 }
        if address != "localhost", !Self.isAddress(address) {
            problems.append(
                SettingProblem(
                    path: ["address"], found: "'\(address)'", allowed: "an IPv4 or IPv6 address, or localhost"))
        }
        if enabled, !isLoopback, token.isEmpty {
            problems.append(
                SettingProblem(
                    path: ["token"], found: "nothing",
                    allowed: "a bearer token, because address \(address) can be reached from other machines"))
        }
        return problems
    }
}

/// The connection to an MQTT broker.
public struct MQTTSettings: Codable, Sendable, Equatable, CheckedSettings {
    public var enabled = false
    public var host = "127.0.0.1"
    public var port = 1883
    /// Empty: `hcqd-` and the machine's name.
    public var clientID = ""
    public var username = ""
    /// May hold `${NAME}`.
    public var password = ""
    /// First part of every topic.
    public var prefix = "hcqd"
    /// Whether Home Assistant is told of the cameras.
    public var discovery = true
    /// File of certificates that the broker's is checked against; empty: no TLS.
    public var caFile = ""

    public init() {}

    enum CodingKeys: String, CodingKey {
        case enabled, host, port, username, password, prefix, discovery
        case clientID = "client_id"
        case caFile = "ca_file"
    }

    public func problems() -> [SettingProblem] {
        var problems = [SettingProblem.outside(1...65_535, "port", port)].compactMap { $0 }
        if host.contains("/") || (host.contains(":") && !HTTPSettings.isAddress(host)) {
            problems.append(
                SettingProblem(
                    path: ["host"], found: "'\(redactedURL(host))'",
                    allowed: "a name or an address alone; the port stands in mqtt.port, TLS comes with mqtt.ca_file"))
        }
        if prefix.isEmpty || prefix.contains(where: { "+#".contains($0) }) || prefix.hasPrefix("/") {
            problems.append(
                SettingProblem(path: ["prefix"], found: "'\(prefix)'", allowed: "a topic without +, # and a leading /"))
        }
        return problems
    }
}

/// What is called when something happens.
public struct HookSettings: Codable, Sendable, Equatable, CheckedSettings {
    /// A program and its arguments; it gets the event's line on standard input. Empty: none.
    public var command: [String] = []
    /// A URL that gets the event's line by POST. May hold `${NAME}`. Empty: none.
    public var webhook = ""
    /// Types of events that are told; empty: all but `update` and `stats`.
    public var types: [String] = []
    /// Seconds after which a call is given up.
    public var timeout: Double = 10

    public init() {}

    enum CodingKeys: String, CodingKey {
        case command, webhook, types
        case timeout = "timeout_s"
    }

    var isUsed: Bool { !command.isEmpty || !webhook.isEmpty }

    public func problems() -> [SettingProblem] {
        var problems = [SettingProblem.outside(0.1...300, "timeout_s", timeout, unit: "seconds")].compactMap { $0 }
        for type in types where !EventRecord.types.contains(type) {
            let hint = nearestName(to: type, among: EventRecord.types).map { "; did you mean '\($0)'?" } ?? ""
            problems.append(
                SettingProblem(
                    path: ["types"], found: "'\(type)'",
                    allowed: EventRecord.types.joined(separator: ", ") + hint))
        }
        if !webhook.isEmpty, !webhook.hasPrefix("http://"), !webhook.hasPrefix("https://") {
            problems.append(
                SettingProblem(path: ["webhook"], found: "'\(redactedURL(webhook))'", allowed: "an http or https URL"))
        }
        return problems
    }
}
