internal import FoundationEssentials

/// A page that shows what logs tell: numbers, who was there when, ways over the scene, and the best view of each
/// person.
///
/// Everything is in the one file, so it opens from disk and can be sent on.
public struct ReplayReport {
    private let digest: LogDigest
    private let title: String
    private let picture: (String) -> [UInt8]?
    private let scene: [UInt8]?

    /// - Parameters:
    ///   - scene: a JPEG of the scene, to lie under the ways.
    ///   - picture: the JPEG of a snapshot's file name.
    public init(_ digest: LogDigest, title: String, scene: [UInt8]? = nil, picture: @escaping (String) -> [UInt8]?) {
        (self.digest, self.title, self.scene, self.picture) = (digest, title, scene, picture)
    }

    public func html() -> String {
        """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><title>\(escaped(title))</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <style>\(Self.style)</style></head><body>
        <h1>\(escaped(title))</h1>
        \(digest.cameras.map(camera).joined(separator: "\n"))
        <h2>Over time</h2>
        <figure>\(OccupancyPlot.svg(digest))</figure>
        </body></html>

        """
    }

    private static let style = """
        body{font:15px/1.45 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}
        figure{margin:1em 0}svg{max-width:100%;height:auto}pre{background:#f5f5f5;padding:1em;overflow-x:auto}
        .m{fill:white;stroke:#222}.w{fill:none;stroke-width:2.5;stroke-linejoin:round}
        .people{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:1em}
        .people div{border:1px solid #ddd;border-radius:6px;padding:.5em;font-size:13px}
        .people img{width:100%;height:180px;object-fit:contain;background:#eee}
        .people b{border-left:.8em solid;padding-left:.4em}
        """

    private func camera(_ camera: CameraDigest) -> String {
        """
        <h2>\(escaped(camera.name))</h2>
        <pre>\(escaped(SummaryTable.text(camera)))</pre>
        <h3>Who was there when</h3><figure>\(timeline(camera))</figure>
        <h3>Ways over the scene</h3><figure>\(ways(camera))</figure>
        <h3>People</h3><div class="people">\(camera.people.enumerated().map(card).joined(separator: "\n"))</div>
        """
    }

    private static func open(_ width: Double, _ height: Double) -> String {
        let box = "0 0 \(number(width)) \(number(height))"
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"\(box)\" font-size=\"11\">"
    }

    // MARK: Timeline

    private func timeline(_ camera: CameraDigest) -> String {
        let (width, row, left) = (960.0, 18.0, 120.0)
        let axis = TimeAxis(first: camera.first, last: camera.last, left: left, width: width - left - 20)
        let height = Double(camera.people.count) * row + 40
        var svg =
            Self.open(width, height)
        for (x, label) in axis.ticks {
            svg += "<line x1=\"\(x)\" y1=\"0\" x2=\"\(x)\" y2=\"\(number(height - 25))\" stroke=\"#eee\"/>"
            svg += "<text x=\"\(x)\" y=\"\(number(height - 8))\" text-anchor=\"middle\" fill=\"#555\">\(label)</text>"
        }
        for (i, person) in camera.people.enumerated() {
            let y = Double(i) * row + 4
            let (x0, x1) = (axis.x(person.start), axis.x(person.end ?? camera.last))
            svg +=
                "<text x=\"112\" y=\"\(number(y + 9))\" text-anchor=\"end\">\(escaped(person.id))</text>"
            svg +=
                "<path d=\"M\(x0) \(number(y + 5))H\(x1)\" stroke=\"\(colour(i))\" stroke-width=\"8\">"
            svg += "<title>\(escaped(describe(person)))</title></path>"
            for moment in person.moments {
                svg +=
                    "<circle class=\"m\" cx=\"\(axis.x(moment.time))\" cy=\"\(number(y + 5))\" r=\"4\">"
                svg +=
                    "<title>\(escaped(moment.text)), \(Timestamp.text(utcMicroseconds: moment.time))</title></circle>"
            }
        }
        return svg + "</svg>"
    }

    // MARK: Ways

    private func ways(_ camera: CameraDigest) -> String {
        let (width, height) = (800.0, 800 / camera.aspect)
        var svg = Self.open(width, height)
        svg += "<rect width=\"100%\" height=\"100%\" fill=\"#f2f2f2\" stroke=\"#ccc\"/>"
        if let scene {
            svg +=
                "<image width=\"100%\" height=\"100%\" preserveAspectRatio=\"none\" opacity=\"0.7\""
                + " href=\"\(dataURL(scene))\"/>"
        }
        for (i, person) in camera.people.enumerated() where !person.path.isEmpty {
            let points = person.path.map { "\(number($0[0] * width)),\(number($0[1] * height))" }
            svg +=
                "<polyline class=\"w\" points=\"\(points.joined(separator: " "))\" stroke=\"\(colour(i))\">"
            svg += "<title>\(escaped(describe(person)))</title></polyline>"
            if let last = points.last?.split(separator: ",") {
                svg += "<circle cx=\"\(last[0])\" cy=\"\(last[1])\" r=\"4\" fill=\"\(colour(i))\"/>"
            }
        }
        return svg + "</svg>"
    }

    // MARK: People

    private func card(_ index: Int, _ person: PersonDigest) -> String {
        let image = person.snapshot.flatMap(picture).map { "<img alt=\"\" src=\"\(dataURL($0))\">" } ?? ""
        let moments = person.moments.map { escaped($0.text) }.joined(separator: ", ")
        return """
            <div>\(image)<b style="border-color:\(colour(index))">\(escaped(person.id))</b><br>\
            \(escaped(describe(person)))\(moments.isEmpty ? "" : "<br>" + moments)</div>
            """
    }

    private func describe(_ person: PersonDigest) -> String {
        let clock = Timestamp.text(utcMicroseconds: person.start).dropFirst(11).prefix(8)
        guard let end = person.end else { return "since \(clock)" }
        return "\(clock), \(decimal(Double(end - person.start) / 1e6)) s, \(person.reason ?? "")"
    }

    private func dataURL(_ jpeg: [UInt8]) -> String { "data:image/jpeg;base64," + Data(jpeg).base64EncodedString() }
}
