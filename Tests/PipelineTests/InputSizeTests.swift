import Pipeline
import Scene
import Testing

struct InputSizeTests {
    /// The same table as `test_evaluation.py`, which holds the twin's function against it.
    @Test func aPictureIsShownAsLargeAsFits() {
        let table: [(frame: PixelSize, input: PixelSize)] = [
            (PixelSize(width: 640, height: 480), PixelSize(width: 640, height: 480)),
            (PixelSize(width: 480, height: 640), PixelSize(width: 384, height: 480)),
            (PixelSize(width: 640, height: 427), PixelSize(width: 640, height: 448)),
            (PixelSize(width: 1920, height: 1080), PixelSize(width: 640, height: 384)),
            (PixelSize(width: 100, height: 100), PixelSize(width: 480, height: 480)),
            (PixelSize(width: 2000, height: 10), PixelSize(width: 640, height: 32)),
        ]
        for (frame, input) in table {
            #expect(fittingInputSize(for: frame, within: PixelSize(width: 640, height: 480)) == input)
        }
    }

    @Test func aClipIsShownWithItsLongSideAt640() {
        let square = PixelSize(width: 640, height: 640)
        for (frame, input) in [
            (PixelSize(width: 768, height: 576), PixelSize(width: 640, height: 480)),
            (PixelSize(width: 1080, height: 1920), PixelSize(width: 384, height: 640)),
        ] { #expect(fittingInputSize(for: frame, within: square) == input) }
    }
}
