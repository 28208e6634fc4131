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
        figure{margin:1em 0}svg{max-width:100%;height:auto}
        .tables{display:flex;flex-wrap:wrap;gap:1em 3em;align-items:start}
        table{border-collapse:collapse}th,td{padding:.15em .8em .15em 0;text-align:right;border-bottom:1px solid #ddd}
        th:first-child,td:first-child{text-align:left}
        .m{fill:white;stroke:#222}.alarm{fill:#d00000;stroke:#222}
        .w{fill:none;stroke-width:2.5;stroke-linejoin:round}.ways:hover .w{opacity:.25}.ways .w:hover{opacity:1;stroke-width:5}
        .people{display:grid;grid-template-columns:repeat(auto-fill,minmax(160px,1fr));gap:1em}
        .people>div{border:1px solid #ddd;border-radius:6px;padding:.5em;font-size:13px}
        .people img{width:100%;height:180px;object-fit:contain;background:#eee}
        .people b{border-left:.8em solid;padding-left:.4em}.quiet,summary{color:#666}
        ul{list-style:none;margin:.3em 0 0;padding:0}time{color:#666;font-variant-numeric:tabular-nums;margin-right:.4em}
        """

    private func camera(_ camera: CameraDigest) -> String {
        """
        <h2>\(escaped(camera.name))</h2>
        <p>\(escaped(SummaryTable.head(camera)))</p>
        <div class="tables">\(SummaryTable.tables(camera).map(table).joined(separator: "\n"))</div>
        <h3>Who was there when</h3>
        <p class="quiet">White dots are what a person did, red ones falls, lying and loitering; rest on one to read it.</p>
        <figure>\(timeline(camera))</figure>
        <h3>Ways over the scene</h3>
        <p class="quiet">Each ends with a dot; rest on one to see it alone.</p>
        <figure class="ways">\(ways(camera))</figure>
        <h3>People</h3><div class="people">\(camera.people.enumerated().map(card).joined(separator: "\n"))</div>
        """
    }

    private static func open(_ width: Double, _ height: Double) -> String {
        let box = "0 0 \(number(width)) \(number(height))"
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"\(box)\" font-size=\"11\">"
    }

    private func table(_ rows: [[String]]) -> String {
        let lines = rows.enumerated().map { i, row in
            let cell = i == 0 ? "th" : "td"
            return "<tr>" + row.map { "<\(cell)>\(escaped($0))</\(cell)>" }.joined() + "</tr>"
        }
        return "<table>" + lines.joined() + "</table>"
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
                // Stays of a person who was lost are closed some seconds later.
                let time = min(moment.time, person.end ?? camera.last)
                let isAlarm = ["fallen", "lying"].contains(moment.text) || moment.text.hasPrefix("loiters")
                svg +=
                    "<circle class=\"\(isAlarm ? "alarm" : "m")\" cx=\"\(axis.x(time))\" cy=\"\(number(y + 5))\""
                    + " r=\"\(isAlarm ? 4 : 3)\">"
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
        let moments = person.moments.map { "<li><time>\(clock($0.time))</time>\(escaped($0.text))</li>" }
        let (first, rest) = (moments.prefix(5).joined(), moments.dropFirst(5).joined())
        let more =
            rest.isEmpty ? "" : "<details><summary>\(moments.count - 5) more</summary><ul>\(rest)</ul></details>"
        return """
            <div>\(image)<b style="border-color:\(colour(index))">\(escaped(person.id))</b><br>\
            \(escaped(describe(person)))\(first.isEmpty ? "" : "<ul>\(first)</ul>")\(more)</div>
            """
    }

    private func describe(_ person: PersonDigest) -> String {
        guard let end = person.end else { return "since \(clock(person.start))" }
        let endings = [
            "left": "left the view", "lost": "lost from sight", "end_of_stream": "there at the end",
            "shutdown": "there when hcqd was stopped",
        ]
        let reason = person.reason.map { endings[$0] ?? $0 } ?? ""
        return "from \(clock(person.start)) for \(decimal(Double(end - person.start) / 1e6)) s, \(reason)"
    }

    private func clock(_ time: Int64) -> String {
        String(Timestamp.text(utcMicroseconds: time).dropFirst(11).prefix(8))
    }

    private func dataURL(_ jpeg: [UInt8]) -> String { "data:image/jpeg;base64," + Data(jpeg).base64EncodedString() }
}
