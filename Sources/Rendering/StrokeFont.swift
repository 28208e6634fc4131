/// A typeface of our own, drawn with round pen strokes: sharp at any size, and no font file to install.
///
/// A glyph is written as strokes parted by spaces; a stroke is points of two base-36 digits each (x, then y down from
/// the cap height); `~` makes it a smooth curve through its points. Capitals are 12 units high, small letters 8, the
/// baseline lies at y = 12 (`c`), descenders end at 16 (`g`).
enum StrokeFont {
    static let capHeight: Float = 12
    static let descent: Float = 4
    /// Between glyphs, with the pen's width already counted.
    static let spacing: Float = 3.6
    static let penWidth: Float = 1.75

    struct Glyph {
        let width: Float
        let strokes: [[PixelPoint]]
    }

    /// The glyph of a character; a hollow box for those that the face lacks.
    static func glyph(_ character: Character) -> Glyph {
        if let found = glyphs[character] { return found }
        if let (base, mark) = accented[character], let letter = glyphs[base], let accent = marks[mark] {
            let raise: Float = base.isUppercase ? 3.4 : 0
            let shift = letter.width / 2 - 4
            let moved = accent.strokes.map { $0.map { PixelPoint(x: $0.x + shift, y: $0.y - raise) } }
            return Glyph(width: letter.width, strokes: letter.strokes + moved)
        }
        return missing
    }

    private static let missing = parse(width: 7, "00707c0c00")
    private static let glyphs: [Character: Glyph] = table.mapValues { parse(width: $0.0, $0.1) }
    private static let marks: [Character: Glyph] = [
        ":": parse(width: 8, "2121 6161"), "'": parse(width: 8, "3261"), "`": parse(width: 8, "2152"),
        "^": parse(width: 8, "224062"), "~": parse(width: 8, "~2231415261"), "o": parse(width: 8, "~4051423140"),
        ",": parse(width: 8, "4c4e3f"),
    ]

    private static let accented: [Character: (Character, Character)] = {
        let rows: [(Character, String, String)] = [
            (":", "äëïöüÄËÏÖÜ", "aeıouAEIOU"), ("'", "áéíóúýÁÉÍÓÚÝ", "aeıouyAEIOUY"), ("`", "àèìòùÀÈÌÒÙ", "aeıouAEIOU"),
            ("^", "âêîôûÂÊÎÔÛ", "aeıouAEIOU"), ("~", "ãñõÃÑÕ", "anoANO"), ("o", "åÅ", "aA"), (",", "çÇ", "cC"),
        ]
        var map: [Character: (Character, Character)] = [:]
        for (mark, composed, bases) in rows {
            for (whole, base) in zip(composed, bases) { map[whole] = (base, mark) }
        }
        return map
    }()

    private static func parse(width: Float, _ text: String) -> Glyph {
        let strokes = text.split(separator: " ").map { part -> [PixelPoint] in
            let digits = part.compactMap { $0.hexOrMore }
            let points = stride(from: 0, to: digits.count - 1, by: 2).map {
                PixelPoint(x: Float(digits[$0]) * 0.9, y: Float(digits[$0 + 1]))
            }
            return part.hasPrefix("~") ? smooth(points) : points
        }
        return Glyph(width: width * 0.9, strokes: strokes)
    }

    /// A Catmull-Rom curve through the points, in short straight pieces; closed when the last point is the first.
    private static func smooth(_ points: [PixelPoint]) -> [PixelPoint] {
        guard points.count > 2 else { return points }
        let isClosed = points.first == points.last
        var curve = [points[0]]
        for i in 0..<(points.count - 1) {
            let before = i > 0 ? points[i - 1] : isClosed ? points[points.count - 2] : points[0]
            let after = i + 2 < points.count ? points[i + 2] : isClosed ? points[1] : points[i + 1]
            for step in 1...6 {
                let t = Float(step) / 6
                func blend(_ a: Float, _ b: Float, _ c: Float, _ d: Float) -> Float {
                    let linear = (c - a) * t
                    let square = (2 * a - 5 * b + 4 * c - d) * t * t
                    let cube = (3 * b - a - 3 * c + d) * t * t * t
                    return (2 * b + linear + square + cube) / 2
                }
                curve.append(
                    PixelPoint(
                        x: blend(before.x, points[i].x, points[i + 1].x, after.x),
                        y: blend(before.y, points[i].y, points[i + 1].y, after.y)))
            }
        }
        return curve
    }

    private static let table: [Character: (Float, String)] = [
        " ": (3, ""), "0": (8, "~4072867a4c1a061240"), "1": (6, "13404c"), "2": (8, "~031140718467 670c8c"),
        "3": (8, "~03114071745636 ~3677897b4c1b0a"), "4": (8, "600888 606c"), "5": (8, "701016 ~164576897b4c1b0a"),
        "6": (8, "~71401207 ~071a4c7b8876451608"), "7": (8, "00803c"), "8": (8, "~40717446141140 ~4677897b4c1b091746"),
        "9": (8, "~1b4c7a85 ~857240110416477684"), "A": (8, "0c408c 1878"),
        "B": (8, "50000c5c 0656 ~50717556 ~56888a5c"),
        "C": (8, "~82714012061a4c7b8a"), "D": (8, "40000c4c ~4072867a4c"), "E": (7, "70000c7c 0656"),
        "F": (7, "70000c 0656"), "G": (9, "~82714012061a4c7b8a 8a8656"), "H": (8, "000c 808c 0686"), "I": (2, "101c"),
        "J": (6, "6069 ~695b3c1b09"), "K": (8, "000c 8007 358c"), "L": (7, "000c7c"), "M": (10, "0c0057a0ac"),
        "N": (8, "0c008c80"), "O": (10, "~5092a69a5c1a061250"), "P": (8, "000c 0050 0656 ~50717556"),
        "Q": (10, "~5092a69a5c1a061250 69ac"), "R": (8, "000c 0050 0656 ~50717556 468c"),
        "S": (8, "~8271401103154677897b4c1b0a"), "T": (8, "0080 404c"), "U": (8, "0008 8088 ~081b4c7b88"),
        "V": (8, "004c80"), "W": (10, "002c538ca0"), "X": (8, "008c 800c"), "Y": (8, "004680 464c"),
        "Z": (8, "00800c8c"),
        "a": (7, "~78653415081b3c6b78 747c"), "b": (7, "000c ~08154465786b4c1b08"), "c": (7, "~7665341508 ~081b3c6b7a"),
        "d": (7, "707c ~78653415081b3c6b78"), "e": (7, "0878 ~78653415081b3c6b7a"), "f": (5, "~503123 232c 0454"),
        "g": (7, "747d ~7d6f3g1f ~78653415081b3c6b78"), "h": (7, "000c ~0715446577 777c"), "i": (2, "141c 1111"),
        "j": (3, "343d ~3d2f0g 3131"), "k": (7, "000c 6409 277c"), "l": (2, "101c"),
        "m": (10, "040c ~0715344557 575c ~57658495a7 a7ac"), "n": (7, "040c ~0715446577 777c"),
        "o": (8, "~4475887b4c1b081544"), "p": (7, "040g ~08154465786b4c1b08"), "q": (7, "747g ~78653415081b3c6b78"),
        "r": (5, "040c ~072554"), "s": (6, "~65542406386a5c2c0b"), "t": (5, "212a ~2a3c5c 0454"),
        "u": (7, "0409 ~091b3c6b79 747c"), "v": (8, "044c84"), "w": (10, "042c558ca4"), "x": (7, "047c 740c"),
        "y": (8, "044c 842g"), "z": (7, "04740c7c"), "ı": (2, "141c"), "ß": (8, "0c03 ~0311406163 6345 ~45688a7b5c3c"),
        "#": (8, "311b 715b 0484 0888"), ".": (2, "1b1b"), ",": (2, "1b0e"), ":": (2, "1515 1b1b"),
        ";": (2, "1515 1b0e"),
        "-": (6, "1757"), "_": (8, "0d8d"), "/": (6, "0d60"), "%": (8, "0c80 ~2042240220 ~688a6c4a68"),
        "(": (3, "~301306193d"),
        ")": (3, "~002336290d"), "+": (8, "434b 0787"), "=": (8, "0585 0989"), "!": (2, "1018 1b1b"),
        "?": (8, "~03114071744748 4b4b"), "<": (7, "72077c"), ">": (7, "02770c"), "[": (3, "30000d3d"),
        "]": (3, "00303d0d"),
        "'": (2, "1013"), "\"": (4, "1013 3033"), "*": (8, "4248 1377 7317"), "→": (10, "07a7 73a77b"),
        "←": (10, "a707 33073b"),
        "·": (2, "1717"), "°": (5, "~2042240220"), "&": (9, "8c25 ~251231515427 ~270a1c4c6b88"),
        "@": (10, "~6546586866 ~6567789784725011061a4c7b"),
    ]
}

extension Character {
    /// The value of a base-36 digit.
    fileprivate var hexOrMore: Int? {
        guard let ascii = asciiValue else { return nil }
        switch ascii {
        case 48...57: return Int(ascii) - 48
        case 97...122: return Int(ascii) - 87
        default: return nil
        }
    }
}
