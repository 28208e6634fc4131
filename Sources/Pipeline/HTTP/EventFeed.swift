internal import Dispatch
internal import Events
internal import FlyingFox
internal import Foundation
internal import Scene

/// `/events`: the log's lines as server-sent events, from a sequence number on, then as they come.
///
/// `camera=NAME` chooses one camera, `from=N` where to begin, `last=N` to begin so many lines back, `types=a,b` what is
/// sent. The id of an event holds every camera's position, so that a browser that reconnects misses nothing.
struct EventFeed {
    /// Seconds without news after which something is sent all the same, so that a viewer who is gone is noticed: it would keep
    /// its descriptor for ever.
    static let longestSilence = 5.0
    private let subjects: HTTPSubjects

    init(_ subjects: HTTPSubjects) { self.subjects = subjects }

    func answer(_ request: HTTPRequest) -> HTTPResponse {
        let wanted = request.query["camera"]
        let from = request.query["from"]
        guard from.map({ UInt64($0) != nil }) ?? true else {
            return refuse(.badRequest, "from must be a whole number\n")
        }
        let last = request.query["last"].flatMap { UInt64($0) } ?? 0
        let cameras = subjects.fleet.all.filter { wanted.map { [name = $0.id.name] in $0 == name } ?? true }
        guard wanted == nil || !cameras.isEmpty else {
            return refuse(.notFound, "there is no camera '\(wanted ?? "")'\n")
        }
        let resumed = Self.positions(request.headers[HTTPHeader("Last-Event-ID")] ?? "")
        let followers = cameras.map { camera in
            let (name, path) = (
                LogPaths.fileName(camera.id), LogPaths(camera: camera.id, directory: subjects.logs).active
            )
            // The writer knows it also when the file was just rotated.
            let end = camera.log?.status.nextSequence ?? LogFollower.end(of: path)
            // Who has seen more than there is saw another log, such as one in another directory.
            let start = resumed[name].map { $0 < end ? $0 + 1 : 1 } ?? from.flatMap { UInt64($0) }
            return (name, LogFollower(path, from: start ?? end - min(last, end)))
        }
        let types = request.query["types"].map { Set($0.split(separator: ",").map(String.init)) }
        let reader = FeedReader(followers, types: types)
        return HTTPResponse(
            statusCode: .ok,
            headers: [
                .contentType: "text/event-stream", .cacheControl: "no-store", HTTPHeader("X-Accel-Buffering"): "no",
            ],
            body: HTTPBodySequence(from: ByteStream { await reader.next() }, suggestedBufferSize: 65_536))
    }

    private func refuse(_ status: HTTPStatusCode, _ text: String) -> HTTPResponse {
        HTTPResponse(statusCode: status, headers: [.contentType: "text/plain; charset=utf-8"], body: Data(text.utf8))
    }

    /// `door:12,yard:7`
    private static func positions(_ id: String) -> [String: UInt64] {
        var positions: [String: UInt64] = [:]
        for part in id.split(separator: ",") {
            let pair = part.split(separator: ":")
            if pair.count == 2, let sequence = UInt64(pair[1]) { positions[String(pair[0])] = sequence }
        }
        return positions
    }
}

/// Reads several logs in turns. What a viewer asked for lies in the files; nothing is kept for a slow one.
///
/// All viewers' readers share one queue: a disk that hangs holds one thread up, and none of those that answer requests.
private final class FeedReader: @unchecked Sendable {
    private static let queue = DispatchQueue(label: "hcqd.feeds", qos: .utility)
    // On `queue` only.
    private var followers: [(name: String, follower: LogFollower)]
    private let types: Set<String>?
    // Of the one task that asks.
    private var lastSent = monotonicSeconds()
    private var isFirst = true

    init(_ followers: [(String, LogFollower)], types: Set<String>?) {
        self.followers = followers.map { (name: $0.0, follower: $0.1) }
        self.types = types
    }

    func next() async -> Data? {
        if isFirst {
            isFirst = false
            return Data("retry: 2000\n\n".utf8)
        }
        while !Task.isCancelled {
            let (events, isBehind) = await withCheckedContinuation { continuation in
                Self.queue.async { continuation.resume(returning: self.read()) }
            }
            if !events.isEmpty {
                lastSent = monotonicSeconds()
                return events
            }
            if monotonicSeconds() - lastSent > EventFeed.longestSilence {
                lastSent = monotonicSeconds()
                return Data(": still here\n\n".utf8)
            }
            // Among many lines there may be none of the types that are wanted.
            if !isBehind { try? await Task.sleep(for: .milliseconds(200)) }
        }
        return nil
    }

    /// - Returns: What is wanted of the next lines, and whether there may be more.
    private func read() -> (Data, isBehind: Bool) {
        var data = Data()
        var isBehind = false
        for i in followers.indices {
            // A log that cannot be read now may be readable in a moment.
            let lines = (try? followers[i].follower.read(limit: 200)) ?? []
            isBehind = isBehind || !lines.isEmpty
            for line in lines {
                let type = LogFollower.type(of: line.bytes) ?? "message"
                guard types?.contains(type) ?? true else { continue }
                data +=
                    Data("id: \(position(i, at: line.sequence))\nevent: \(type)\ndata: ".utf8) + line.bytes
                    + Data("\n\n".utf8)
            }
        }
        return (data, isBehind)
    }

    /// Every camera's last line so far; `reader`'s own may have been read further ahead.
    private func position(_ reader: Int, at sequence: UInt64) -> String {
        followers.indices.map { i in
            let last = i == reader ? sequence : max(followers[i].follower.nextSequence, 1) - 1
            return "\(followers[i].name):\(last)"
        }.joined(separator: ",")
    }
}
