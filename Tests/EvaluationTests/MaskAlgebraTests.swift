import Evaluation
import Scene
import Testing

@Suite struct MaskAlgebraTests {
    private func random(_ seed: Int, _ size: PixelSize) -> [UInt8] {
        (0..<size.width * size.height).map { UInt8((($0 + seed) * ($0 + 7 * seed) / 11) % 3 == 0 ? 1 : 0) }
    }

    @Test(arguments: [(1, 1), (5, 1), (1, 5), (7, 9), (16, 3)])
    func matchesPixelByPixel(width: Int, height: Int) {
        let size = PixelSize(width: width, height: height)
        for seed in 1..<8 {
            let (a, b) = (random(seed, size), random(seed + 3, size))
            let (first, second) = (Mask(size: size, bitmap: a), Mask(size: size, bitmap: b))
            #expect(first.union(second) == Mask(size: size, bitmap: zip(a, b).map { $0 | $1 }))
            #expect(first.subtracting(second) == Mask(size: size, bitmap: zip(a, b).map { $0 & (1 - $1) }))
        }
    }

    @Test func holesAreFilledUpToTheirLimit() {
        func box(_ frame: Int, _ left: Double, id: Int = 1) -> MOTBox {
            MOTBox(frame: frame, id: id, left: left, top: 0, width: 10, height: 20, confidence: 0.5)
        }
        let filled = MOTBox.fillingHoles([box(1, 0), box(4, 30), box(9, 50), box(2, 5, id: 2)], upTo: 2)
        #expect(filled.map(\.frame) == [1, 2, 2, 3, 4, 9])
        #expect(filled.filter { $0.id == 1 }.map(\.left) == [0, 10, 20, 30, 50])
    }
}
