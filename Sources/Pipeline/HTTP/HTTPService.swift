internal import Dispatch
internal import FlyingSocks
internal import Foundation
internal import Logging

/// What the HTTP server shows of the daemon.
struct HTTPSubjects: Sendable {
    let fleet: CameraFleet
    let watch: LoopWatch
    let live: LivePainter
    let startedAt: Double
    /// Directory of the event logs.
    let logs: String
    /// nil while there are none.
    let hooks: HookTally?
    let mqtt: MQTTTally?
}

/// The HTTP server: `/healthz`, `/metrics`, `/cameras`, `/events` and the live page.
final class HTTPService: Sendable {
    private let task: Task<Void, Never>
    private let stopped = DispatchSemaphore(value: 0)

    /// Starts listening; a port that is taken is tried again every 5 s.
    init(_ settings: HTTPSettings, token: String, subjects: HTTPSubjects, logger: DaemonLogger) {
        let pages = HTTPPages(settings, token: token, subjects: subjects)
        let listener = HTTPListener(address: Self.address(settings)) { await pages.answer($0) }
        let stopped = stopped
        task = Task {
            defer { stopped.signal() }
            var reports = RepeatedReports(interval: 60)
            while !Task.isCancelled {
                do {
                    try await listener.run { logger.notice("http: listening on \(settings.address):\($0)") }
                } catch {
                    if Task.isCancelled { return }
                    var reason = "\(error)"
                    if case SocketError.failed(_, _, let message)? = error as? SocketError { reason = message }
                    let text = "http \(settings.address):\(settings.port): \(reason); trying again every 5 s"
                    if let line = reports.note("http", text, now: monotonicSeconds()) { logger.error("\(line)") }
                }
                try? await Task.sleep(for: .seconds(5))
            }
        }
    }

    func stop() {
        task.cancel()
        _ = stopped.wait(timeout: .now() + 0.5)
    }

    static func address(_ settings: HTTPSettings) -> any SocketAddress {
        let port = UInt16(clamping: settings.port)
        let name = settings.address == "localhost" ? "127.0.0.1" : settings.address
        if let address = try? sockaddr_in.inet(ip4: name, port: port) { return address }
        if let address = try? sockaddr_in6.inet6(ip6: name, port: port) { return address }
        return sockaddr_in.inet(port: port)
    }
}
