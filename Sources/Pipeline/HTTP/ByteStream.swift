internal import FlyingSocks
internal import Foundation

/// A body that goes on: whatever `next` gives is sent at once. It ends with nil.
struct ByteStream: AsyncBufferedSequence {
    typealias Element = UInt8

    let next: @Sendable () async -> Data?

    func makeAsyncIterator() -> Iterator { Iterator(next: next) }

    struct Iterator: AsyncBufferedIteratorProtocol {
        let next: @Sendable () async -> Data?
        private var rest = Data()

        init(next: @escaping @Sendable () async -> Data?) { self.next = next }

        mutating func next() async throws -> UInt8? { try await nextBuffer(suggested: 1)?.first }

        mutating func nextBuffer(suggested count: Int) async throws -> Data? {
            while rest.isEmpty {
                try Task.checkCancellation()
                guard let more = await next() else { return nil }
                rest = more
            }
            let part = rest.prefix(count)
            rest = rest.dropFirst(count)
            return Data(part)
        }
    }
}
