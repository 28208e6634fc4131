internal import ArgumentParser
internal import Scene

/// What a network sees, `640x384` on the command line: width and height, multiples of 32.
struct InputSize: ExpressibleByArgument, CustomStringConvertible {
    /// What helps say of it.
    static let rule = "width x height, such as 640x384, multiples of 32 up to 4096"

    let pixels: PixelSize

    init(width: Int, height: Int) { pixels = PixelSize(width: width, height: height) }

    init?(argument: String) {
        let sides = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard sides.count == 2, let width = sides[0], let height = sides[1],
            [width, height].allSatisfy({ (32...4096).contains($0) && $0 % 32 == 0 })
        else { return nil }
        self.init(width: width, height: height)
    }

    var description: String { "\(pixels.width)x\(pixels.height)" }
}
