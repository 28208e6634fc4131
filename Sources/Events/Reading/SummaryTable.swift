/// A digest as text in columns, for a terminal.
public enum SummaryTable {
    public static func text(_ digest: LogDigest) -> String {
        digest.cameras.map { text($0) }.joined(separator: "\n")
    }

    public static func text(_ camera: CameraDigest) -> String {
        "\(camera.name): \(head(camera))\n" + tables(camera).map { "\n" + table($0) }.joined()
    }

    /// When, how many, and what is missing.
    static func head(_ camera: CameraDigest) -> String {
        var text = "\(stamp(camera.first)) to \(stamp(camera.last)), \(camera.lines) lines"
        if camera.holes > 0 {
            let said = camera.dropped.values.reduce(0, +)
            text += "; \(camera.holes) numbers are missing, \(said) lines are said to be dropped"
        }
        return text
    }

    /// Tables, each with its head as the first row.
    static func tables(_ camera: CameraDigest) -> [[[String]]] {
        let reasons = Dictionary(grouping: camera.people.compactMap(\.reason)) { $0 }.mapValues(\.count)
        let still = camera.people.count { $0.end == nil }
        var tables = [
            [["people", "\(camera.people.count)"], ["most at once", "\(camera.presence.map(\.count).max() ?? 0)"]]
                + reasons.sorted { $0.key < $1.key }.map { ["ended: \($0.key)", "\($0.value)"] }
                + (still > 0 ? [["not ended", "\(still)"]] : []),
            [["type", "lines"]] + camera.types.sorted { $0.key < $1.key }.map { [$0.key, "\($0.value)"] },
        ]
        if !camera.zones.isEmpty {
            tables.append(
                [["zone", "visits", "most", "mean stay s", "loitered"]]
                    + camera.zones.sorted { $0.key < $1.key }.map { name, zone in
                        [
                            name, "\(zone.visits)", "\(zone.most)", zone.meanDwell.map(decimal) ?? "-",
                            "\(zone.loiterers)",
                        ]
                    })
        }
        if !camera.crossings.isEmpty {
            tables.append(
                [["line", "left", "right"]]
                    + camera.crossings.sorted { $0.key < $1.key }.map {
                        [$0.key, "\($0.value.left.count)", "\($0.value.right.count)"]
                    })
        }
        return tables
    }

    /// The first column to the left, the others to the right.
    private static func table(_ rows: [[String]]) -> String {
        guard let columns = rows.first?.count else { return "" }
        let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { i, cell in
                let space = String(repeating: " ", count: widths[i] - cell.count)
                return i == 0 ? cell + space : space + cell
            }
            return "  " + cells.joined(separator: "  ")
        }.joined(separator: "\n") + "\n"
    }

    private static func stamp(_ utc: Int64) -> String { Timestamp.text(utcMicroseconds: utc) }
}

/// With one decimal.
func decimal(_ value: Double) -> String {
    let tenths = value.isNaN ? 0 : Int((min(max(value, -1e15), 1e15) * 10).rounded())
    return "\(tenths / 10).\(abs(tenths % 10))"
}
