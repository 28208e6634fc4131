internal import Scene
internal import CKernels

/// Where the points of deformable attention lie: facts of the input's size and of heads and points.
///
/// Level order everywhere: strides 32, 16, 8.
final class SamplingGeometry: @unchecked Sendable {
    static let levels = Int(HCQ_LEVELS)
    let pointer: UnsafeMutablePointer<hcq_geometry>
    private let points: UnsafeMutablePointer<Int32>

    /// - Parameter channels: of one head.
    init(size: PixelSize, heads: Int, points count: Int, channels: Int) {
        let total = heads * Self.levels * count
        points = .allocate(capacity: 3 * total)
        pointer = .allocate(capacity: 1)
        var geometry = hcq_geometry()
        (geometry.count, geometry.heads, geometry.channels) = (total, heads, channels)
        let sizes = Self.sizes(of: size)
        let starts = [0, sizes[0].count, sizes[0].count + sizes[1].count]
        for i in 0..<total {
            let level = i / count % Self.levels
            points[i] = Int32(sizes[level].width)
            points[total + i] = Int32(sizes[level].height)
            points[2 * total + i] = Int32(starts[level])
        }
        geometry.width = UnsafePointer(points)
        geometry.height = UnsafePointer(points + total)
        geometry.start = UnsafePointer(points + 2 * total)
        geometry.level_start = (starts[0], starts[1], starts[2])
        geometry.level_height = (sizes[0].height, sizes[1].height, sizes[2].height)
        geometry.level_width = (sizes[0].width, sizes[1].width, sizes[2].width)
        pointer.initialize(to: geometry)
    }

    deinit {
        pointer.deallocate()
        points.deallocate()
    }

    /// The three levels' maps.
    static func sizes(of size: PixelSize) -> [(height: Int, width: Int, count: Int)] {
        [32, 16, 8].map { stride in
            let (height, width) = (size.height / stride, size.width / stride)
            return (height, width, height * width)
        }
    }

    /// Floats that the sampling kernels need beside their results.
    static func scratch(heads: Int, points: Int) -> Int { 11 * heads * levels * points }
}
