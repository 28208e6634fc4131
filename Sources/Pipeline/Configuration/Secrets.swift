public import Foundation
internal import Ingest

/// Passwords and tokens: `${NAME}` in a setting stands for systemd's credential NAME, else for the environment variable.
///
/// Settings keep the `${NAME}`; only what opens a connection asks for the value, so that nothing else can show it.
public struct Secrets: Sendable {
    private let environment: [String: String]
    private let credentials: URL?

    public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        self.environment = environment
        credentials = environment["CREDENTIALS_DIRECTORY"].map { URL(fileURLWithPath: $0, isDirectory: true) }
    }

    /// A name that stands for nothing.
    public struct Missing: Error, Equatable, CustomStringConvertible {
        public let name: String

        public var description: String {
            "${\(name)} stands for nothing here: set the environment variable \(name), or give the service the credential \(name) "
                + "(LoadCredential= in its unit)"
        }
    }

    /// The text with every `${NAME}` replaced; in a URL the values are percent-encoded.
    public func expand(_ text: String) throws(Missing) -> String {
        let isURL = text.contains("://")
        var result = ""
        var rest = Substring(text)
        while let open = rest.range(of: "${"), let close = rest[open.upperBound...].firstIndex(of: "}") {
            let name = String(rest[open.upperBound..<close])
            guard let value = value(of: name) else { throw Missing(name: name) }
            result += rest[..<open.lowerBound]
            result += isURL ? value.addingPercentEncoding(withAllowedCharacters: Self.unreserved) ?? value : value
            rest = rest[rest.index(after: close)...]
        }
        return result + rest
    }

    /// The environment for programs that are none of our own: without the variables of these names, and without what systemd
    /// said to this process alone. Source: systemd.exec(5), sd_notify(3), sd_listen_fds(3).
    func environment(without names: Set<String>) -> [String: String] {
        environment.filter { !names.contains($0.key) && !Self.ours.contains($0.key) }
    }

    private static let ours: Set = [
        "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
        "LISTEN_PID", "FDSTORE", "JOURNAL_STREAM", "INVOCATION_ID", "MAINPID",
    ]

    /// What stands between braces in every `${NAME}` of a setting.
    static func names(in text: String) -> [String] { text.matches(of: /\$\{([^}]*)\}/).map { String($0.1) } }

    /// A location as a page may show it: `${NAME}` stays, a user name and a password that are spelled out become `***`.
    static func shown(_ text: String) -> (text: String, isHidden: Bool) {
        let bare = text.replacing(/\$\{[^}]*\}/, with: "").replacing("://:@", with: "://").replacing(
            "://@", with: "://")
        return redactedURL(bare) == bare ? (text, false) : (redactedURL(text), true)
    }

    private func value(of name: String) -> String? {
        let isFileName = !name.isEmpty && !name.contains("/") && name != ".."
        if isFileName, let credentials,
            let text = try? String(contentsOf: credentials.appendingPathComponent(name), encoding: .utf8)
        {
            return text.hasSuffix("\n") ? String(text.dropLast()) : text
        }
        return environment[name]
    }

    /// RFC 3986, section 2.3.
    private static let unreserved = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
}
