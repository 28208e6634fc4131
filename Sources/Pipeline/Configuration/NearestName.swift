/// The name in `known` that a person most likely meant by `name`; nil when none is near.
///
/// Near is at most a third of the longer name's letters by edit distance, a swap of neighbours counting one
/// (Damerau 1964, restricted form).
func nearestName(to name: String, among known: some Sequence<String>) -> String? {
    let ranked = known.map { (name: $0, distance: editDistance(Array(name.lowercased()), Array($0.lowercased()))) }
    func rank(_ entry: (name: String, distance: Int)) -> (Int, Int, String) {
        (entry.distance, abs(entry.name.count - name.count), entry.name)
    }
    guard let best = ranked.min(by: { rank($0) < rank($1) }) else { return nil }
    return best.distance * 3 <= max(name.count, best.name.count, 3) ? best.name : nil
}

private func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    var rows = [Array(0...b.count)]
    for i in 0..<a.count {
        var row = [i + 1]
        for j in 0..<b.count {
            var best = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
            row.append(best)
        }
        rows.append(row)
    }
    return rows[a.count][b.count]
}
