internal import Events
internal import FlyingFox
internal import Foundation
internal import Scene

/// Answers requests. Everything but `/healthz` needs the token, when there is one.
struct HTTPPages: Sendable {
    let settings: HTTPSettings
    let token: String
    let subjects: HTTPSubjects

    init(_ settings: HTTPSettings, token: String, subjects: HTTPSubjects) {
        self.settings = settings
        self.token = token
        self.subjects = subjects
    }

    func answer(_ request: HTTPRequest) async -> HTTPResponse {
        guard request.method == .GET else { return text(.methodNotAllowed, "only GET is answered here\n") }
        if request.path == "/healthz" { return health() }
        if let refusal = refusal(of: request) { return refusal }
        let parts = request.path.split(separator: "/").map { $0.removingPercentEncoding ?? String($0) }
        switch parts.count {
        case 0: return HTTPResponse(statusCode: .ok, headers: headers("text/html; charset=utf-8"), body: Data(LivePage.html.utf8))
        case 1 where parts[0] == "metrics": return metrics()
        case 1 where parts[0] == "cameras": return cameras()
        case 1 where parts[0] == "events": return EventFeed(subjects).answer(request)
        case 3 where parts[0] == "cameras" && parts[2] == "picture.jpg": return await picture(parts[1])
        case 3 where parts[0] == "cameras" && parts[2] == "stream": return stream(parts[1])
        default: return text(.notFound, "there is no such page\n")
        }
    }

    // MARK: Who may ask

    /// nil when the request may be answered.
    private func refusal(of request: HTTPRequest) -> HTTPResponse? {
        guard !token.isEmpty else {
            // A page elsewhere must not read this one through a name that it points here (DNS rebinding).
            let host = request.headers[.host].map { Self.hostName($0) } ?? "localhost"
            let isHere = host == "localhost" || host == "::1" || host.hasPrefix("127.")
            return isHere ? nil : text(.forbidden, "ask by the address \(settings.address)\n")
        }
        let bearer = request.headers[.authorization].flatMap { $0.hasPrefix("Bearer ") ? String($0.dropFirst(7)) : nil }
        let cookie = request.headers[.cookie]?.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
            .first { $0.hasPrefix("hcqd_token=") }?.dropFirst(11).removingPercentEncoding
        if [bearer, cookie].contains(where: { $0.map { Self.equal($0, token) } ?? false }) { return nil }
        // A browser comes with /?token=... once and gets a cookie, because pictures and events carry no header.
        if request.path == "/", let given = request.query["token"], Self.equal(given, token) {
            let value = token.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
            return HTTPResponse(
                statusCode: .seeOther,
                headers: HTTPHeaders([.location: "/", .setCookie: "hcqd_token=\(value); HttpOnly; SameSite=Strict; Path=/"]))
        }
        var refusal = text(.unauthorized, "a bearer token is needed\n")
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

    // MARK: Pages

    private func health() -> HTTPResponse {
        let stuck = subjects.watch.stuck()
        return stuck.isEmpty
            ? text(.ok, "ok\n") : text(.serviceUnavailable, "stuck: \(stuck.joined(separator: ", "))\n")
    }

    private func metrics() -> HTTPResponse {
        let body = Metrics.text(
            of: subjects.fleet.all, startedAt: subjects.startedAt, stuck: subjects.watch.stuck())
        return HTTPResponse(
            statusCode: .ok, headers: headers("text/plain; version=0.0.4; charset=utf-8"), body: Data(body.utf8))
    }

    private struct CameraPage: Encodable {
        let name: String
        let state: String
        let width: Int?
        let height: Int?
        let online_since: String?
        let reason: String?
        let people: Int
        let frames_received: Int
        let frames_inferred: Int
        let next_seq: UInt64?
    }

    private func cameras() -> HTTPResponse {
        let pages = subjects.fleet.all.map { camera in
            let totals = camera.counters.totals
            var (size, since, reason): (PixelSize?, Int64?, String?) = (nil, nil, nil)
            switch camera.state {
            case .online(let start, let frame): (since, size) = (start, frame)
            case .waiting(let text, _, _): reason = text
            default: break
            }
            return CameraPage(
                name: camera.id.name, state: camera.state.name, width: size?.width, height: size?.height,
                online_since: since.map { Timestamp.text(utcMicroseconds: $0) }, reason: reason, people: totals.people,
                frames_received: totals.framesIn, frames_inferred: totals.framesInferred,
                next_seq: camera.log?.status.nextSequence)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let body = (try? encoder.encode(pages)) ?? Data("[]".utf8)
        return HTTPResponse(statusCode: .ok, headers: headers("application/json"), body: body + Data("\n".utf8))
    }

    private func picture(_ name: String) async -> HTTPResponse {
        do {
            guard let picture = try await subjects.live.picture(of: CameraID(name)) else {
                return text(.notFound, "camera '\(name)' has shown no picture yet\n")
            }
            return HTTPResponse(statusCode: .ok, headers: headers("image/jpeg"), body: picture.jpeg)
        } catch {
            return text(.internalServerError, "\(error)\n")
        }
    }

    /// Pictures that replace each other, as browsers show them in an `img`.
    private func stream(_ name: String) -> HTTPResponse {
        guard subjects.fleet[name] != nil else { return text(.notFound, "there is no camera '\(name)'\n") }
        let pause = Duration.seconds(1 / settings.pictureFPS)
        let painter = subjects.live
        let pictures = PictureFeed { last in
            let end = monotonicSeconds() + EventFeed.longestSilence
            while !Task.isCancelled, monotonicSeconds() < end {
                if let picture = try? await painter.picture(of: CameraID(name)), picture.time != last { return picture }
                try? await Task.sleep(for: .milliseconds(50))
            }
            return nil
        }
        let body = ByteStream {
            if await pictures.hasBegun { try? await Task.sleep(for: pause) }
            guard let picture = await pictures.next() else { return Task.isCancelled ? nil : Data("\r\n".utf8) }
            let head = "--hcqd\r\nContent-Type: image/jpeg\r\nContent-Length: \(picture.jpeg.count)\r\n\r\n"
            return Data(head.utf8) + picture.jpeg + Data("\r\n".utf8)
        }
        return HTTPResponse(
            statusCode: .ok, headers: headers("multipart/x-mixed-replace; boundary=hcqd"),
            body: HTTPBodySequence(from: body, suggestedBufferSize: 65_536))
    }

    private func headers(_ type: String) -> HTTPHeaders {
        [
            .contentType: type, .cacheControl: "no-store", HTTPHeader("X-Content-Type-Options"): "nosniff",
            HTTPHeader("Content-Security-Policy"):
                "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'",
        ]
    }

    private func text(_ status: HTTPStatusCode, _ body: String) -> HTTPResponse {
        HTTPResponse(statusCode: status, headers: headers("text/plain; charset=utf-8"), body: Data(body.utf8))
    }
}

/// Remembers the last picture that a viewer was given.
private actor PictureFeed {
    private let source: @Sendable (StreamTime?) async -> LivePainter.Picture?
    private var last: StreamTime?

    init(_ source: @escaping @Sendable (StreamTime?) async -> LivePainter.Picture?) { self.source = source }

    var hasBegun: Bool { last != nil }

    func next() async -> LivePainter.Picture? {
        let picture = await source(last)
        last = picture?.time ?? last
        return picture
    }
}
