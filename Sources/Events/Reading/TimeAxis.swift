/// A stretch of time laid out from left to right in an SVG drawing.
struct TimeAxis {
    /// Microseconds since 1970.
    let first: Int64
    let last: Int64
    /// In SVG units.
    let left: Double
    let width: Double

    init(first: Int64, last: Int64, left: Double, width: Double) {
        (self.first, self.last) = (first, max(last, first + 1_000_000))
        (self.left, self.width) = (left, width)
    }

    func x(_ time: Int64) -> String { number(left + width * Double(time - first) / Double(last - first)) }

    /// Round moments, at most some eight of them.
    var ticks: [(x: String, label: String)] {
        let seconds = Double(last - first) / 1e6
        let steps: [Int64] = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
            604_800,
            2_592_000,
        ]
        let step = (steps.first { Double($0) * 8 >= seconds } ?? 31_536_000) * 1_000_000
        var ticks: [(String, String)] = []
        var time = (first + step - 1) / step * step
        while time <= last {
            ticks.append((x(time), label(time, step: step / 1_000_000)))
            time += step
        }
        return ticks
    }

    private func label(_ time: Int64, step: Int64) -> String {
        let text = Timestamp.text(utcMicroseconds: time)
        if step >= 86_400 { return String(text.prefix(10)) }
        let clock = text.dropFirst(11)
        return String(clock.prefix(step >= 60 ? 5 : 8))
    }
}

/// An SVG coordinate. A log may say anything: what no drawing reaches becomes its far end, no number 0.
func number(_ value: Double) -> String {
    let tenths = value.isNaN ? 0 : Int((min(max(value, -1e6), 1e6) * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
}

/// Text that may stand in HTML and SVG, also between quotes.
func escaped(_ text: String) -> String {
    var out = ""
    for character in text {
        switch character {
        case "&": out += "&amp;"
        case "<": out += "&lt;"
        case ">": out += "&gt;"
        case "\"": out += "&quot;"
        case "'": out += "&#39;"
        default: out.append(character)
        }
    }
    return out
}

/// Colours that can be told apart, in turn.
func colour(_ index: Int) -> String {
    ["#1f77b4", "#d95f02", "#2c9c4b", "#c2318c", "#7a5fc0", "#8c6d1f", "#17a2b8", "#b03030"][index % 8]
}
