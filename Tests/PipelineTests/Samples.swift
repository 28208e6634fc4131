import Dispatch
import Scene
import Synchronization

/// A frame of which only camera, index and time matter.
func sampleFrame(_ index: Int, camera: String = "door") -> Frame {
    let size = PixelSize(width: 32, height: 32)
    let pixels = UnsafeMutablePointer<UInt8>.allocate(capacity: 32 * 32 * 3)
    pixels.initialize(repeating: 0, count: 32 * 32 * 3)
    let input = NetworkPicture(size: size, content: size, pixels: pixels) { $0.deallocate() }
    let time = StreamTime(microseconds: Int64(index) * 40_000, utcMicroseconds: Int64(index) * 40_000)
    return Frame(camera: CameraID(camera), time: time, index: index, size: size, input: input, picture: nil)
}

/// Grows under a lock.
final class Collected<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    func append(_ element: Element) { elements.withLock { $0.append(element) } }
    var all: [Element] { elements.withLock { $0 } }
}
