internal import Scene
internal import Synchronization

/// Memory for network pictures, used again when the last frame that held it is gone.
final class PicturePool: Sendable {
    private struct Free: @unchecked Sendable {
        var buffers: [UnsafeMutablePointer<UInt8>] = []
    }

    private let size: PixelSize
    private let free = Mutex(Free())
    /// libswscale writes in steps of its vector length, past the end of a row.
    private static let margin = 256
    private static let kept = 16

    /// - Parameter size: the network's input.
    init(size: PixelSize) { self.size = size }

    deinit {
        free.withLock { for buffer in $0.buffers { buffer.deallocate() } }
    }

    /// A picture whose pixels the caller fills in before it shows the picture to anyone.
    func picture(content: PixelSize) -> NetworkPicture {
        let pixels =
            free.withLock { Free(buffers: $0.buffers.popLast().map { [$0] } ?? []) }.buffers.first ?? allocate()
        return NetworkPicture(size: size, content: content, pixels: pixels) { [self] in give(back: $0) }
    }

    private func allocate() -> UnsafeMutablePointer<UInt8> {
        let count = size.width * size.height * 3 + Self.margin
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: count)
        return memory.assumingMemoryBound(to: UInt8.self)
    }

    private func give(back pixels: UnsafeMutablePointer<UInt8>) {
        let given = Free(buffers: [pixels])
        let isKept = free.withLock { free -> Bool in
            guard free.buffers.count < Self.kept else { return false }
            free.buffers += given.buffers
            return true
        }
        if !isKept { pixels.deallocate() }
    }
}
