internal import Dispatch
internal import Events
internal import FlyingFox
internal import Foundation
internal import Rendering
internal import Scene
internal import Synchronization
internal import Tracking

/// Why zones cannot be drawn.
public enum ZoneDeskError: Error, Equatable, CustomStringConvertible {
    case noPicture(location: String)
    case cannotListen(address: String, port: Int, reason: String)

    public var description: String {
        switch self {
        case .noPicture(let location): "\(location): no picture came; `hcqd probe` says more, --seconds waits longer"
        case .cannotListen(let address, let port, let reason):
            "cannot listen on \(address):\(port): \(reason); choose another address or port with --listen"
        }
    }
}

/// A page on which the zones and lines of a clip or a camera are drawn, for as long as the process runs.
public struct ZoneDesk: Sendable {
    private let pages: ZonePages

    /// Takes the stills; blocks meanwhile.
    /// - Parameters:
    ///   - location: A clip, a folder, a device or a URL; may hold `${NAME}`.
    ///   - camera: Its name in the configuration.
    ///   - configuration: Where its zones and lines come from, when it has any yet.
    ///   - seconds: For how long the source is looked at.
    /// - Throws: what the source, the network or the picture encoder says.
    public init(_ location: String, camera: String, configuration: Configuration?, seconds: Double) throws {
        let known = configuration?.cameras[camera]
        let taker = StillTaker(
            location: location, camera: CameraID(camera), settings: known ?? CameraSettings(),
            model: configuration?.model ?? ModelSettings(), rendering: configuration?.rendering ?? .init(),
            leastScore: (configuration?.tracking ?? .init()).birthScore)
        let stills = try taker.take(for: seconds)
        let isFile = FileManager.default.fileExists(atPath: location)
        pages = ZonePages(
            camera: camera, url: known?.url ?? (isFile ? URL(fileURLWithPath: location).path : location),
            events: known?.events ?? .init(), isConfigured: known != nil, stills: .taken(stills))
    }

    /// Serves the page until the process ends; blocks.
    /// - Parameter onReady: Told the page's address.
    /// - Throws: `ZoneDeskError`.
    public func serve(address: String, port: Int, onReady: @escaping @Sendable (String) -> Void) throws {
        var settings = HTTPSettings()
        (settings.address, settings.port) = (address, port)
        let token = settings.isLoopback ? "" : UUID().uuidString.lowercased()
        let gate = HTTPGate(address: address, token: token)
        let pages = pages
        let listener = HTTPListener(address: HTTPService.address(settings)) { request in
            await request.answered { await Self.answer($0, pages, gate) }
        }
        let host = address.contains(":") ? "[\(address)]" : address
        let ended = DispatchSemaphore(value: 0)
        let failure = Mutex("")
        Task {
            do {
                try await listener.run { onReady("http://\(host):\($0)/" + (token.isEmpty ? "" : "?token=\(token)")) }
            } catch { failure.withLock { $0 = "\(error)" } }
            ended.signal()
        }
        ended.wait()
        throw ZoneDeskError.cannotListen(address: address, port: port, reason: failure.withLock { $0 })
    }

    private static func answer(_ request: HTTPRequest, _ pages: ZonePages, _ gate: HTTPGate) async -> HTTPResponse {
        if let refusal = gate.refusal(of: request) { return refusal }
        let parts = request.path.split(separator: "/").map(String.init)
        if parts.isEmpty {
            let name = pages.camera.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
            return HTTPResponse(statusCode: .seeOther, headers: HTTPHeaders([.location: "/cameras/\(name)/zones"]))
        }
        if parts.count == 2, parts[0] == "web", let file = WebFiles.answer(parts[1]) { return file }
        if parts.count > 2, parts[0] == "cameras", parts[1] == pages.camera,
            let page = await pages.answer(Array(parts.dropFirst(2)), request)
        {
            return page
        }
        return .text(.notFound, "there is no such page\n")
    }
}
