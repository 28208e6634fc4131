internal import FlyingFox
internal import FlyingSocks
internal import Foundation

/// Listens for requests and answers them: FlyingFox's types on FlyingSocks' sockets.
///
/// FlyingFox's own server (0.27.1) has no limits, and nothing of its configuration sets any. Before a token could be
/// asked for, a line of 100 kB takes it 5 s of a core, one of 300 kB 47 s, one of 1 MB minutes, also after the client
/// left; and connections that say nothing stay for ever: 1100 of them took every descriptor that the process may have,
/// those of the logs and cameras included. Here 10 MB are refused in under 0.1 s, and with 2000 such connections
/// `/healthz` answers.
struct HTTPListener: Sendable {
    let address: any SocketAddress
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse

    /// Bytes of a request's lines.
    static let longestHead = 16_384
    /// Seconds for the next request of a connection, for its answer, and for each piece of that to be taken.
    private static let patience = 30.0

    /// Runs until the task is cancelled or the address cannot be had.
    /// - Parameter onListening: Told the port.
    func run(onListening: @Sendable (UInt16) -> Void) async throws {
        let socket = try Socket(domain: Int32(type(of: address).family))
        defer { try? socket.close() }
        try socket.setValue(true, for: .localAddressReuse)
        try socket.bind(to: address)
        try socket.listen()
        let listener = try AsyncSocket(socket: socket, pool: await SocketWatch.shared.running())
        switch try socket.sockname() {
        case .ip4(_, let port), .ip6(_, let port): onListening(port)
        default: break
        }
        try await accept(on: listener)
    }

    private func accept(on listener: AsyncSocket) async throws {
        let connections = HTTPConnections()
        try await withThrowingDiscardingTaskGroup { group in
            for try await socket in listener.sockets {
                let descriptor = socket.socket.file.rawValue
                guard connections.admit() else {
                    let refusal = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                    _ = try? socket.socket.write(Data(refusal.utf8))
                    try? socket.close()
                    continue
                }
                group.addTask {
                    // Whoever goes away in the middle of something is nothing to tell.
                    try? await serve(socket, connections)
                    connections.remove(descriptor)
                    try? socket.close()
                }
            }
        }
        throw SocketError.disconnected
    }

    // MARK: One connection

    private func serve(_ socket: AsyncSocket, _ connections: HTTPConnections) async throws {
        let descriptor = socket.socket.file.rawValue
        var bytes: [UInt8] = []
        var goesOn = true
        while goesOn {
            connections.markIdle(descriptor)
            let head: HTTPHead
            do throws(HTTPHead.Problem) {
                guard let next = try await nextHead(&bytes, socket) else { return }
                head = next
            } catch {
                try await send(.text(error.status, "\(error.text)\n"), to: socket, isLast: true)
                return await drain(socket)
            }
            connections.markBusy(descriptor)
            goesOn = head.staysOpen
            let response = try? await within(Self.patience) { await answer(head.request) }
            try await send(
                response ?? .text(.internalServerError, "no answer in time\n"), to: socket, isLast: !goesOn)
        }
        await drain(socket)
    }

    /// Reads up to the end of the next request's lines; nil when there is none any more.
    private func nextHead(_ bytes: inout [UInt8], _ socket: AsyncSocket) async throws(HTTPHead.Problem) -> HTTPHead? {
        let end = monotonicSeconds() + Self.patience
        var looked = 0
        while true {
            if let count = HTTPHead.length(in: bytes, from: looked) {
                defer { bytes.removeFirst(count) }
                return try HTTPHead(bytes.prefix(count))
            }
            // An empty line's first half may lie before.
            looked = max(0, bytes.count - 3)
            guard bytes.count < Self.longestHead else { throw .tooLong }
            let left = end - monotonicSeconds()
            guard let more = try? await within(left, { try await socket.read(atMost: 4096) }) else { return nil }
            bytes += more
        }
    }

    private func send(_ response: HTTPResponse, to socket: AsyncSocket, isLast: Bool) async throws {
        guard case .httpBody(let body) = response.payload else { return }
        var headers = response.headers
        if isLast { headers[.connection] = "close" }
        if let count = body.count {
            if headers[.contentLength] == nil { headers[.contentLength] = String(count) }
        } else {
            headers[.transferEncoding] = "chunked"
        }
        let lines = headers.map { "\($0.key.rawValue): \($0.value)\r\n" }.sorted().joined()
        let head = "HTTP/1.1 \(response.statusCode.code) \(response.statusCode.phrase)\r\n\(lines)\r\n"
        try await within(Self.patience) { try await socket.write(Data(head.utf8)) }
        for try await piece in body { try await within(Self.patience) { try await socket.write(piece) } }
    }

    /// Takes what the client still sends, or closing would keep the answer from it.
    private func drain(_ socket: AsyncSocket) async {
        shutdown(socket.socket.file.rawValue, Int32(SHUT_WR))
        try? await within(1) {
            for _ in 0..<1000 { _ = try await socket.read(atMost: 4096) }
        }
    }

    /// - Throws: `SocketError.disconnected` when the time is up.
    private func within<T: Sendable>(
        _ seconds: Double, _ work: @escaping @Sendable () async throws -> T
    ) async throws -> T {
        try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await Task.sleep(for: .seconds(max(0, seconds)))
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let value = first else { throw SocketError.disconnected }
            return value
        }
    }
}
