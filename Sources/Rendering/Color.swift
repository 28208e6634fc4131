internal import Glibc

/// An sRGB colour.
struct Color: Equatable {
    var red: UInt8
    var green: UInt8
    var blue: UInt8

    static let white = Color(red: 255, green: 255, blue: 255)
    static let ink = Color(red: 18, green: 22, blue: 28)
    static let slate = Color(red: 52, green: 58, blue: 68)
    static let zone = Color(red: 86, green: 204, blue: 242)
    static let zoneOccupied = Color(red: 255, green: 176, blue: 59)
    static let line = Color(red: 240, green: 228, blue: 66)

    /// The colour of a track: the same in every frame and run, far from those of its neighbours in number.
    static func track(_ ordinal: UInt64) -> Color { palette[Int(ordinal % UInt64(palette.count))] }

    /// Hues a golden angle apart in two lightnesses by turns: any run of a few dozen differs as much as it can.
    private static let palette: [Color] = (0..<64).map { i in
        let hue = 2 * Double.pi * (0.07 + Double(i) * 0.618_033_988_749_895)
        return Color(lightness: i % 2 == 0 ? 0.78 : 0.70, chroma: 0.16, hue: hue)
    }

    /// - Source: Ottosson 2020, "A perceptual color space for image processing" (Oklab), in its polar form.
    init(lightness: Double, chroma: Double, hue: Double) {
        let (a, b) = (chroma * cos(hue), chroma * sin(hue))
        let l = pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3)
        let m = pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3)
        let s = pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3)
        red = Self.encoded(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s)
        green = Self.encoded(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s)
        blue = Self.encoded(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)
    }

    init(red: UInt8, green: UInt8, blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    private static func encoded(_ linear: Double) -> UInt8 {
        let value = min(max(linear, 0), 1)
        let gamma = value <= 0.0031308 ? 12.92 * value : 1.055 * pow(value, 1 / 2.4) - 0.055
        return UInt8((gamma * 255).rounded())
    }
}
