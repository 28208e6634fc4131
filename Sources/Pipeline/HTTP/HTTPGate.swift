internal import FlyingFox
internal import Foundation

/// Decides who may ask.
struct HTTPGate: Sendable {
    /// Where the server listens.
    let address: String
    /// Empty when none is needed.
    let token: String

    /// nil when the request may be answered.
    func refusal(of request: HTTPRequest) -> HTTPResponse? {
        guard !token.isEmpty else {
            // A page elsewhere must not read this one through a name that it points here (DNS rebinding).
            let host = request.headers[.host].map { Self.hostName($0) } ?? "localhost"
            return HTTPSettings.isLoopback(host.lowercased())
                ? nil : .text(.forbidden, "ask by the address \(address)\n")
        }
        let bearer = request.headers[.authorization].flatMap {
            $0.lowercased().hasPrefix("bearer ") ? String($0.dropFirst(7)) : nil
        }
        let cookie = request.headers[.cookie]?.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
            .first { $0.hasPrefix("hcqd_token=") }?.dropFirst(11).removingPercentEncoding
        if [bearer, cookie].contains(where: { $0.map { Self.equal($0, token) } ?? false }) { return nil }
        // A browser comes with /?token=... once and gets a cookie, because pictures and events carry no header.
        if request.path == "/", let given = request.query["token"], Self.equal(given, token) {
            let value = token.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
            return HTTPResponse(
                statusCode: .seeOther,
                headers: HTTPHeaders([
                    .location: "/", .setCookie: "hcqd_token=\(value); HttpOnly; SameSite=Strict; Path=/",
                ]))
        }
        var refusal = HTTPResponse.text(.unauthorized, "a bearer token is needed\n")
        refusal.headers[HTTPHeader("WWW-Authenticate")] = "Bearer"
        return refusal
    }

    private static func hostName(_ host: String) -> String {
        if host.hasPrefix("[") { return String(host.dropFirst().prefix { $0 != "]" }) }
        return String(host.prefix { $0 != ":" })
    }

    /// Takes as long for any two texts of the same length.
    private static func equal(_ a: String, _ b: String) -> Bool {
        let (x, y) = (Array(a.utf8), Array(b.utf8))
        return x.count == y.count && zip(x, y).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

extension HTTPRequest {
    /// The page for GET, the same without its body for HEAD (RFC 9110, 9.3.2), and nothing else.
    func answered(by page: (HTTPRequest) async -> HTTPResponse) async -> HTTPResponse {
        guard [.GET, .HEAD].contains(method) else {
            return .text(.methodNotAllowed, "only GET and HEAD are answered here\n")
        }
        let whole = await page(self)
        guard method == .HEAD, case .httpBody(let body) = whole.payload else { return whole }
        var head = HTTPResponse(statusCode: whole.statusCode, headers: whole.headers)
        if let count = body.count { head.headers[.contentLength] = String(count) }
        return head
    }
}

extension HTTPResponse {
    /// An answer that no browser keeps or guesses about, and whose page loads nothing from elsewhere.
    static func content(_ type: String, _ body: Data, status: HTTPStatusCode = .ok) -> HTTPResponse {
        HTTPResponse(statusCode: status, headers: headers(type), body: body)
    }

    static func text(_ status: HTTPStatusCode, _ body: String) -> HTTPResponse {
        content("text/plain; charset=utf-8", Data(body.utf8), status: status)
    }

    /// - Parameter body: Encodes without fail.
    static func json(_ body: some Encodable) -> HTTPResponse {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return content("application/json", ((try? encoder.encode(body)) ?? Data("null".utf8)) + Data("\n".utf8))
    }

    static func headers(_ type: String) -> HTTPHeaders {
        [
            .contentType: type, .cacheControl: "no-store", HTTPHeader("X-Content-Type-Options"): "nosniff",
            HTTPHeader("Content-Security-Policy"): "default-src 'self'; img-src 'self' data:",
        ]
    }
}
