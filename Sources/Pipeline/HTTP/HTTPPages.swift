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
        await request.answered { await page($0) }
    }

    private func page(_ request: HTTPRequest) async -> HTTPResponse {
        if request.path == "/healthz" { return health() }
        if let refusal = HTTPGate(address: settings.address, token: token).refusal(of: request) { return refusal }
        let parts = request.path.split(separator: "/").map(String.init)
        switch parts.count {
        case 0: return WebFiles.answer("live.html") ?? missing
        case 2 where parts[0] == "web": return WebFiles.answer(parts[1]) ?? missing
        case 1 where parts[0] == "metrics": return metrics()
        case 1 where parts[0] == "cameras": return cameras()
        case 1 where parts[0] == "events": return EventFeed(subjects).answer(request)
        case 3 where parts[0] == "cameras" && parts[2] == "picture.jpg": return await picture(parts[1])
        case 3 where parts[0] == "cameras" && parts[2] == "stream": return stream(parts[1])
        case 3... where parts[0] == "cameras" && parts[2] == "zones":
            return await zonePages(parts[1])?.answer(Array(parts.dropFirst(2)), request) ?? missing
        default: return missing
        }
    }

    private var missing: HTTPResponse { .text(.notFound, "there is no such page\n") }

    private func zonePages(_ name: String) -> ZonePages? {
        guard let camera = subjects.fleet[name] else { return nil }
        let live = subjects.live
        return ZonePages(
            camera: name, url: camera.settings.url, events: camera.settings.events, isConfigured: true,
            stills: .live { try await live.still(of: camera.id, events: camera.settings.events) })
    }

    // MARK: Pages

    private func health() -> HTTPResponse {
        let stuck = subjects.watch.stuck()
        return stuck.isEmpty
            ? .text(.ok, "ok\n") : .text(.serviceUnavailable, "stuck: \(stuck.joined(separator: ", "))\n")
    }

    private func metrics() -> HTTPResponse {
        let body = Metrics.text(
            of: subjects.fleet.all, startedAt: subjects.startedAt, stuck: subjects.watch.stuck(),
            hooks: subjects.hooks?.counts, mqtt: subjects.mqtt?.counts)
        return .content("text/plain; version=0.0.4; charset=utf-8", Data(body.utf8))
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
        return .json(pages)
    }

    private func picture(_ name: String) async -> HTTPResponse {
        do {
            guard let picture = try await subjects.live.picture(of: CameraID(name)) else {
                return .text(.notFound, "camera '\(name)' has shown no picture yet\n")
            }
            return .content("image/jpeg", picture.jpeg)
        } catch {
            return .text(.internalServerError, "\(error)\n")
        }
    }

    /// Pictures that replace each other, as browsers show them in an `img`.
    private func stream(_ name: String) -> HTTPResponse {
        guard subjects.fleet[name] != nil else { return .text(.notFound, "there is no camera '\(name)'\n") }
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
            statusCode: .ok, headers: HTTPResponse.headers("multipart/x-mixed-replace; boundary=hcqd"),
            body: HTTPBodySequence(from: body, suggestedBufferSize: 65_536))
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
