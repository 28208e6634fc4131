/// A decoded picture in the decoder's own pixel format, kept by reference so that it can be drawn on or cut out later.
///
/// Scene does not know FFmpeg: planes are bare pointers, `format` is the raw value of an `AVPixelFormat`. The memory lives
/// as long as this object.
public final class DecodedPicture: @unchecked Sendable {
    public struct Plane: @unchecked Sendable {
        public let data: UnsafePointer<UInt8>
        /// Bytes from one row to the next.
        public let stride: Int

        public init(data: UnsafePointer<UInt8>, stride: Int) {
            self.data = data
            self.stride = stride
        }
    }

    public let planes: [Plane]
    /// As stored: before sample aspect ratio and rotation.
    public let storedSize: PixelSize
    /// `AVPixelFormat` raw value.
    public let format: Int32
    /// `AVColorSpace` and `AVColorRange` raw values, with "unspecified" already resolved (BT.601 up to 576 lines, else
    /// BT.709; limited range).
    public let colorSpace: Int32
    public let colorRange: Int32
    /// What brings the stored picture upright.
    public let orientation: Orientation
    private let release: @Sendable () -> Void

    public init(
        planes: [Plane], storedSize: PixelSize, format: Int32, colorSpace: Int32, colorRange: Int32,
        orientation: Orientation = .upright, release: @escaping @Sendable () -> Void
    ) {
        self.planes = planes
        self.storedSize = storedSize
        self.format = format
        self.colorSpace = colorSpace
        self.colorRange = colorRange
        self.orientation = orientation
        self.release = release
    }

    deinit { release() }
}

/// The network-sized RGB picture of a frame, from a pool; bytes are written once, before the frame is published.
public final class NetworkPicture: @unchecked Sendable {
    /// The network's input size; both sides are multiples of 32.
    public let size: PixelSize
    /// The part at the top left that holds the frame; the rest is padding, which the engine takes as the mean colour.
    public let content: PixelSize
    /// `[size.height][size.width][3]`, R G B, 8 bit; bytes of the padding are undefined.
    public let pixels: UnsafeMutablePointer<UInt8>
    private let release: @Sendable (UnsafeMutablePointer<UInt8>) -> Void

    public init(
        size: PixelSize, content: PixelSize, pixels: UnsafeMutablePointer<UInt8>,
        release: @escaping @Sendable (UnsafeMutablePointer<UInt8>) -> Void
    ) {
        precondition(size.width % 32 == 0 && size.height % 32 == 0, "input sides are multiples of 32")
        precondition(content.width <= size.width && content.height <= size.height)
        self.size = size
        self.content = content
        self.pixels = pixels
        self.release = release
    }

    deinit { release(pixels) }
}

/// One picture of one camera: immutable, shared freely.
public struct Frame: Sendable {
    public let camera: CameraID
    public let time: StreamTime
    /// Counts the frames that the source delivered, from 0.
    public let index: Int
    /// Upright and with square pixels: the frame as a viewer sees it. All normalised coordinates refer to it.
    public let size: PixelSize
    /// Scaled once, on the source's thread.
    public let input: NetworkPicture
    /// nil when nobody will draw on it.
    public let picture: DecodedPicture?

    public init(
        camera: CameraID, time: StreamTime, index: Int, size: PixelSize, input: NetworkPicture,
        picture: DecodedPicture?
    ) {
        self.camera = camera
        self.time = time
        self.index = index
        self.size = size
        self.input = input
        self.picture = picture
    }
}
