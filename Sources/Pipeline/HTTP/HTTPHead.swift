internal import FlyingFox
internal import Foundation

/// The lines with which a request begins. Bodies are not read: nothing here wants one.
struct HTTPHead: Sendable {
    let request: HTTPRequest
    /// Whether another request may follow.
    let staysOpen: Bool

    enum Problem: Error, Equatable {
        case malformed
        case tooLong

        var status: HTTPStatusCode {
            switch self {
            case .malformed: .badRequest
            case .tooLong: .requestHeaderFieldsTooLarge
            }
        }

        var text: String {
            switch self {
            case .malformed: "this is no HTTP request"
            case .tooLong: "a request has at most \(HTTPListener.longestHead) bytes"
            }
        }
    }

    /// Bytes up to and with the first empty line; nil while there is none.
    /// - Parameter start: None ends before this index.
    static func length(in bytes: [UInt8], from start: Int) -> Int? {
        let (cr, lf) = (UInt8(ascii: "\r"), UInt8(ascii: "\n"))
        for i in bytes.indices.dropFirst(max(1, start)) where bytes[i] == lf {
            if bytes[i - 1] == lf || (bytes[i - 1] == cr && i > 1 && bytes[i - 2] == lf) { return i + 1 }
        }
        return nil
    }

    /// - Parameter bytes: As many as `length` says.
    init(_ bytes: ArraySlice<UInt8>) throws(Problem) {
        let lines = bytes.split(separator: UInt8(ascii: "\n")).map { line in
            String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
        }
        let words = (lines.first ?? "").split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[2].hasPrefix("HTTP/1."), words[1].hasPrefix("/") else { throw .malformed }
        var headers = HTTPHeaders()
        for line in lines.dropFirst() where !line.isEmpty {
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex else { throw .malformed }
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            headers.addValue(value, for: HTTPHeader(String(line[..<colon])))
        }
        let target = words[1].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        request = HTTPRequest(
            method: HTTPMethod(String(words[0])), version: HTTPVersion(String(words[2])),
            target: .init(path: String(target[0]), query: target.count > 1 ? String(target[1]) : ""),
            headers: headers, body: HTTPBodySequence())
        let wish = headers[.connection]?.lowercased() ?? ""
        let hasBody = headers[.transferEncoding] != nil || headers[.contentLength].map { $0 != "0" } ?? false
        staysOpen = words[2] == "HTTP/1.1" && !hasBody && !wish.contains("close") && !wish.contains("upgrade")
    }
}
