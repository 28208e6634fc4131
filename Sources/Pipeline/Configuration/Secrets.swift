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
