internal import CFFmpeg
internal import Scene

extension Orientation {
    /// Reads a display matrix: nine 32-bit numbers, `[x' y'] = [x y] * [[a b], [c d]]`. Angles are rounded to quarters.
    init(displayMatrix: UnsafePointer<Int32>) {
        self.init()
        var matrix = Array(UnsafeBufferPointer(start: displayMatrix, count: 9))
        let determinant = Double(matrix[0]) * Double(matrix[4]) - Double(matrix[1]) * Double(matrix[3])
        isMirrored = determinant < 0
        if isMirrored {
            (matrix[0], matrix[1]) = (0 &- matrix[0], 0 &- matrix[1])
        }
        let counterclockwise = av_display_rotation_get(matrix)
        guard counterclockwise.isFinite else { return }
        quarterTurns = ((Int((-counterclockwise / 90).rounded()) % 4) + 4) % 4
    }
}

/// The sizes of one kind of picture: stored, as a viewer sees it, and in the network's input.
struct PictureGeometry: Equatable {
    let stored: PixelSize
    /// Upright, square pixels.
    let display: PixelSize
    /// The part of the input that holds the picture, upright.
    let content: PixelSize
    let orientation: Orientation

    /// - Parameter aspect: width of a stored pixel over its height; 0 or a value beyond 1/16...16 counts as 1.
    init(stored: PixelSize, aspect: Double, orientation: Orientation, input: PixelSize) {
        let aspect = aspect.isFinite && (1.0 / 16...16).contains(aspect) ? aspect : 1
        let wide = PixelSize(width: max(1, Int((Double(stored.width) * aspect).rounded())), height: stored.height)
        let display = orientation.swapsSides ? PixelSize(width: wide.height, height: wide.width) : wide
        self.stored = stored
        self.display = display
        self.orientation = orientation
        content = Self.fit(display, into: input)
    }

    /// `round(W s) x round(H s)` with `s = min(W_in / W, H_in / H)`, as in training.
    static func fit(_ size: PixelSize, into input: PixelSize) -> PixelSize {
        let scale = min(Double(input.width) / Double(size.width), Double(input.height) / Double(size.height))
        return PixelSize(
            width: min(input.width, max(1, Int((Double(size.width) * scale).rounded()))),
            height: min(input.height, max(1, Int((Double(size.height) * scale).rounded()))))
    }
}

/// The colour matrix and range of a picture, with "unspecified" resolved.
struct PictureColor: Equatable {
    let matrix: AVColorSpace
    let range: AVColorRange

    init(format: AVPixelFormat, matrix: AVColorSpace, range: AVColorRange, lines: Int) {
        let facts = av_pix_fmt_desc_get(format)?.pointee
        let isRGB = facts.map { $0.flags & UInt64(AV_PIX_FMT_FLAG_RGB) != 0 } ?? false
        // Grey alone, with or without alpha; palettes have one component of another kind.
        let isGray = facts.map { $0.nb_components < 3 && $0.flags & UInt64(AV_PIX_FMT_FLAG_PAL) == 0 } ?? false
        switch matrix {
        case _ where isRGB: self.matrix = AVCOL_SPC_RGB
        case AVCOL_SPC_UNSPECIFIED, AVCOL_SPC_RGB, AVCOL_SPC_RESERVED:
            self.matrix = lines > 576 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M
        default: self.matrix = matrix
        }
        let fullRangeFormats = [
            AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUVJ411P,
        ]
        if isRGB || fullRangeFormats.contains(format) {
            self.range = AVCOL_RANGE_JPEG
        } else {
            // Grey files and libswscale use the full range where nothing else is said.
            let usual = isGray ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG
            self.range = range == AVCOL_RANGE_UNSPECIFIED ? usual : range
        }
    }
}
