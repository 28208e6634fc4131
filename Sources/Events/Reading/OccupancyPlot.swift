/// An SVG drawing of people present, occupancy of zones, and crossings of lines over time.
public enum OccupancyPlot {
    private static let (width, rowHeight, left, right) = (960.0, 130.0, 120.0, 20.0)

    /// A whole SVG document; cameras below one another.
    public static func svg(_ digest: LogDigest) -> String {
        let charts = digest.cameras.flatMap(charts)
        let first = digest.cameras.map(\.first).min() ?? 0
        let last = digest.cameras.map(\.last).max() ?? 1
        let axis = TimeAxis(first: first, last: last, left: left, width: width - left - right)
        let height = Double(charts.count) * rowHeight + 40
        var svg = """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(number(width)) \(number(height))" \
            font-family="system-ui, sans-serif" font-size="12">
            <rect width="100%" height="100%" fill="white"/>

            """
        for (x, label) in axis.ticks {
            svg += "<line x1=\"\(x)\" y1=\"10\" x2=\"\(x)\" y2=\"\(number(height - 30))\" stroke=\"#eee\"/>"
            svg +=
                "<text x=\"\(x)\" y=\"\(number(height - 12))\" text-anchor=\"middle\" fill=\"#555\">\(label)</text>\n"
        }
        for (i, chart) in charts.enumerated() { svg += draw(chart, axis, top: 10 + Double(i) * rowHeight) }
        return svg + "</svg>\n"
    }

    private struct Chart {
        let title: String
        let curves: [(name: String, colour: String, steps: [(time: Int64, count: Int)])]
    }

    private static func charts(_ camera: CameraDigest) -> [Chart] {
        let presence = Chart(title: camera.name, curves: [("people", "#444", camera.presence)])
        let zones = camera.zones.sorted { $0.key < $1.key }.enumerated().map {
            Chart(title: "\(camera.name): zone \($1.key)", curves: [("inside", colour($0), $1.value.counts)])
        }
        let lines = camera.crossings.sorted { $0.key < $1.key }.map { name, line in
            Chart(
                title: "\(camera.name): line \(name)",
                curves: [("left", colour(1), cumulative(line.left)), ("right", colour(2), cumulative(line.right))])
        }
        return [presence] + zones + lines
    }

    private static func cumulative(_ times: [Int64]) -> [(time: Int64, count: Int)] {
        times.sorted().enumerated().map { ($1, $0 + 1) }
    }

    private static func draw(_ chart: Chart, _ axis: TimeAxis, top: Double) -> String {
        let most = max(1, chart.curves.flatMap { $0.steps.map(\.count) }.max() ?? 1)
        let (base, height) = (top + rowHeight - 20, rowHeight - 45)
        func y(_ count: Int) -> String { number(base - height * Double(count) / Double(most)) }
        var svg =
            "<text x=\"\(number(left))\" y=\"\(number(top + 14))\" font-weight=\"600\">\(escaped(chart.title))</text>"
        svg +=
            "<path d=\"M\(number(left)) \(y(0))H\(number(width - right))\" stroke=\"#999\"/>"
        svg += "<text x=\"\(number(left - 8))\" y=\"\(y(0))\" text-anchor=\"end\" fill=\"#555\">0</text>"
        svg += "<text x=\"\(number(left - 8))\" y=\"\(y(most))\" text-anchor=\"end\" fill=\"#555\">\(most)</text>\n"
        for (i, curve) in chart.curves.enumerated() {
            var path = "M\(axis.x(axis.first)) \(y(0))"
            for step in curve.steps { path += "H\(axis.x(step.time))V\(y(step.count))" }
            path += "H\(axis.x(axis.last))"
            svg += "<path d=\"\(path)\" fill=\"none\" stroke=\"\(curve.colour)\" stroke-width=\"1.5\"/>"
            svg +=
                "<text x=\"8\" y=\"\(number(base - 16 * Double(i)))\" fill=\"\(curve.colour)\">\(curve.name)</text>\n"
        }
        return svg
    }
}
