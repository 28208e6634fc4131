import FlyingFox
import Testing

@testable import Pipeline

/// Requests, before anything is known of who sends them.
@Suite struct HTTPHeadTests {
    private func head(_ text: String) throws -> HTTPHead {
        let bytes = Array(text.utf8)
        return try HTTPHead(bytes[..<(try #require(HTTPHead.length(in: bytes, from: 0)))])
    }

    @Test func readsWhatARequestSays() throws {
        let head = try head(
            "GET /events?camera=a%20b&from=3 HTTP/1.1\r\nHost: door:1\r\nX-A:  b: c \r\n\r\nGET /next")
        #expect(head.request.method.rawValue == "GET" && head.request.path == "/events")
        #expect(head.request.query.map(\.name) == ["camera", "from"])
        #expect(head.request.query.map(\.value) == ["a b", "3"])
        #expect(head.request.headers[.host] == "door:1")
        #expect(head.request.headers.first { $0.key.rawValue == "X-A" }?.value == "b: c")
        #expect(head.staysOpen)
        #expect(try self.head("GET / HTTP/1.1\n\n").staysOpen)
        for more in ["Connection: Close", "Content-Length: 5", "Transfer-Encoding: chunked"] {
            #expect(try !self.head("POST / HTTP/1.1\r\n\(more)\r\n\r\n").staysOpen)
        }
        #expect(try !self.head("GET / HTTP/1.0\r\n\r\n").staysOpen)
    }

    @Test func findsTheEmptyLineWhereverItIsCut() {
        let bytes = Array("GET / HTTP/1.1\r\nA: b\r\n\r\nrest".utf8)
        for cut in bytes.indices {
            let found = HTTPHead.length(in: Array(bytes[..<cut]), from: 0)
            #expect(found == (cut < bytes.count - 4 ? nil : bytes.count - 4))
            #expect(HTTPHead.length(in: bytes, from: max(0, min(cut, bytes.count - 5) - 3)) == bytes.count - 4)
        }
    }

    @Test(arguments: [
        "GET /\r\n\r\n", "GET / FTP/1\r\n\r\n", "GET x HTTP/1.1\r\n\r\n", "\n\n", "\0\n\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/1.1\r\n: x\r\n\r\n",
    ])
    func refusesWhatIsNoRequest(text: String) {
        #expect(throws: HTTPHead.Problem.malformed) { try head(text) }
    }
}
