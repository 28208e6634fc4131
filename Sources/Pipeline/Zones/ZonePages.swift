internal import Events
internal import FlyingFox
internal import Foundation
internal import Scene

/// The page on which one camera's zones and lines are drawn, and what it asks for.
struct ZonePages: Sendable {
    /// A picture to draw on.
    struct Still: Sendable {
        /// Seconds after the first frame.
        let seconds: Double
        /// People seen in it; nil when nobody looked.
        let people: Int?
        let jpeg: Data
    }

    /// Where pictures come from.
    enum Stills: Sendable {
        case taken([Still])
        /// A new one whenever the page asks; nil while the camera has shown none.
        case live(@Sendable () async throws -> Still?)
    }

    let camera: String
    /// The camera's location as its configuration spells it.
    let url: String
    let events: EventSettings
    /// Whether the camera is one of a configuration.
    let isConfigured: Bool
    let stills: Stills

    /// - Parameter path: What follows `/cameras/NAME/`, without empty parts.
    /// - Returns: nil when there is no such page.
    func answer(_ path: [String], _ request: HTTPRequest) async -> HTTPResponse? {
        switch path {
        case ["zones"]: WebFiles.answer("zones.html")
        case ["zones", "facts"]: .json(Facts(self))
        case ["zones", "still.jpg"]: await still(request.query["number"])
        default: nil
        }
    }

    private func still(_ number: String?) async -> HTTPResponse {
        do {
            let still: Still?
            switch stills {
            case .taken(let all):
                let index = number.flatMap { Int($0) } ?? 0
                still = all.indices.contains(index) ? all[index] : nil
            case .live(let take): still = try await take()
            }
            guard let still else { return .text(.notFound, "camera '\(camera)' has shown no picture yet\n") }
            var answer = HTTPResponse.content("image/jpeg", still.jpeg)
            if let people = still.people { answer.headers[HTTPHeader("Hcqd-People")] = "\(people)" }
            return answer
        } catch {
            return .text(.internalServerError, "\(error)\n")
        }
    }

    /// What the page has to know.
    private struct Facts: Encodable {
        struct Taken: Encodable { let seconds: Double }
        struct Defaults: Encodable {
            let zone = ZoneSettings(name: "", polygon: [])
            let line = LineSettings(name: "", a: Point(x: 0, y: 0), b: Point(x: 1, y: 1))
        }

        let camera: String
        let url: String
        let hidesPassword: Bool
        let isConfigured: Bool
        let isLive: Bool
        var stills: [Taken] = []
        /// Number of the still with the fewest people.
        var emptiest = 0
        let zones: [ZoneSettings]
        let lines: [LineSettings]
        let defaults = Defaults()

        init(_ pages: ZonePages) {
            camera = pages.camera
            (url, hidesPassword) = Secrets.shown(pages.url)
            (zones, lines, isConfigured) = (pages.events.zones, pages.events.lines, pages.isConfigured)
            guard case .taken(let taken) = pages.stills else {
                isLive = true
                return
            }
            isLive = false
            stills = taken.map { Taken(seconds: $0.seconds) }
            emptiest = taken.indices.min { (taken[$0].people ?? 0) < (taken[$1].people ?? 0) } ?? 0
        }
    }
}
