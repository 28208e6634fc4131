import Scene
import Testing

@Suite struct MaskTests {
    /// Rows of text to a mask, `#` is person.
    private func mask(_ rows: String...) -> Mask {
        Mask(
            size: PixelSize(width: rows[0].count, height: rows.count),
            bitmap: rows.joined().utf8.map { $0 == UInt8(ascii: "#") ? 1 : 0 })
    }

    @Test func runsGoDownTheColumns() {
        #expect(mask("..#", ".##", "#.#").runs == [2, 1, 1, 1, 1, 3])
        #expect(mask("##", "##").runs == [0, 4])
        #expect(mask("..", "..").runs == [4])
    }

    @Test func bitmapComesBack() {
        let m = mask("#..#", ".##.", "####")
        #expect(m.bitmap() == [1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1])
        #expect(Mask(size: m.size, bitmap: m.bitmap()) == m)
    }

    @Test func overlapIsCountedInPixels() {
        let (a, b) = (mask("##..", "##.."), mask(".##.", ".##."))
        #expect(a.area == 4)
        #expect(a.intersection(b) == 2)
        #expect(abs(a.iou(b) - 2.0 / 6.0) < 1e-6)
        #expect(mask("..", "..").iou(mask("..", "..")) == 0)
    }

    @Test func boundingBoxIsTight() throws {
        let box = try #require(mask("....", ".##.", "....", "....").boundingBox)
        #expect(box == Box(x0: 0.25, y0: 0.25, x1: 0.75, y1: 0.5))
        #expect(mask("..").boundingBox == nil)
    }

    // Texts made with pycocotools 2.0.11: encode(np.asfortranarray(bitmap))["counts"].
    @Test func countsAreCOCOs() {
        let m = mask("..#", ".##", "#.#")
        #expect(m.counts == "211002")
        #expect(Mask(size: m.size, counts: m.counts) == m)
        let wide = Mask(
            size: PixelSize(width: 40, height: 50), bitmap: (0..<2000).map { ($0 * $0 / 7) % 5 < 2 ? UInt8(1) : 0 })
        #expect(Mask(size: wide.size, counts: wide.counts) == wide)
        #expect(wide.counts.hasPrefix("0160000000000002KN00010O00010O00010O00010O00010O00010O000100"))
    }

    @Test(arguments: ["", "~", "0", "00000", "o"])
    func refusesTextThatIsNoMask(text: String) {
        #expect(Mask(size: PixelSize(width: 2, height: 2), counts: text) == nil)
    }

    @Test func refusesAPictureThatNoMaskCanCover() {
        #expect(Mask(size: PixelSize(width: 8, height: .max), counts: "57d0") == nil)
    }
}
