/// Pairs rows with columns one to one so that the total cost is least.
///
/// Shortest augmenting paths with dual prices, O(n^3). Every row or every column is paired, whichever are fewer. Equal
/// costs are resolved as scipy's `linear_sum_assignment` resolves them, so that metrics built on it agree with the
/// field's Python tools. Source: Crouse 2016, "On implementing 2D rectangular assignment algorithms", IEEE TAES.
/// - Parameter costs: `[rows][columns]`, row after row, finite.
/// - Returns: the pairs in the order of their rows.
public func minimumCostAssignment(rows: Int, columns: Int, costs: [Double]) -> [(row: Int, column: Int)] {
    precondition(costs.count == rows * columns, "a cost for every pair")
    guard rows > 0 && columns > 0 else { return [] }
    if rows <= columns {
        var solver = AssignmentSolver(rows: rows, columns: columns, costs: costs)
        return solver.solve().enumerated().map { (row: $0.offset, column: $0.element) }
    }
    var transposed = [Double](repeating: 0, count: costs.count)
    for row in 0..<rows {
        for column in 0..<columns { transposed[column * rows + row] = costs[row * columns + column] }
    }
    var solver = AssignmentSolver(rows: columns, columns: rows, costs: transposed)
    return solver.solve().enumerated().map { (row: $0.element, column: $0.offset) }.sorted { $0.row < $1.row }
}

/// The state of one solution; there are at least as many columns as rows.
private struct AssignmentSolver {
    let rows: Int
    let columns: Int
    let costs: [Double]
    var rowPrices: [Double]
    var columnPrices: [Double]
    var columnOfRow: [Int]
    var rowOfColumn: [Int]
    /// The least reduced cost at which the search from the current row reaches a column, and from which row.
    var reach: [Double]
    var cameFrom: [Int]
    var rowVisited: [Bool]
    var columnVisited: [Bool]

    init(rows: Int, columns: Int, costs: [Double]) {
        self.rows = rows
        self.columns = columns
        self.costs = costs
        rowPrices = [Double](repeating: 0, count: rows)
        columnPrices = [Double](repeating: 0, count: columns)
        columnOfRow = [Int](repeating: -1, count: rows)
        rowOfColumn = [Int](repeating: -1, count: columns)
        reach = [Double](repeating: 0, count: columns)
        cameFrom = [Int](repeating: -1, count: columns)
        rowVisited = [Bool](repeating: false, count: rows)
        columnVisited = [Bool](repeating: false, count: columns)
    }

    /// - Returns: the column of each row.
    mutating func solve() -> [Int] {
        for row in 0..<rows {
            let (sink, length) = shortestPath(from: row)
            updatePrices(row: row, length: length)
            augment(from: row, to: sink)
        }
        return columnOfRow
    }

    /// Dijkstra over reduced costs until a free column is reached.
    private mutating func shortestPath(from start: Int) -> (sink: Int, length: Double) {
        for column in 0..<columns {
            reach[column] = .infinity
            columnVisited[column] = false
        }
        for row in 0..<rows { rowVisited[row] = false }
        // Backwards, because the order of the search decides between equal costs.
        var open = [Int]((0..<columns).reversed())
        var length = 0.0
        var row = start
        while true {
            rowVisited[row] = true
            var nearest = -1
            var lowest = Double.infinity
            for (place, column) in open.enumerated() {
                let cost = length + costs[row * columns + column] - rowPrices[row] - columnPrices[column]
                if cost < reach[column] {
                    reach[column] = cost
                    cameFrom[column] = row
                }
                if reach[column] < lowest || (reach[column] == lowest && rowOfColumn[column] < 0) {
                    lowest = reach[column]
                    nearest = place
                }
            }
            precondition(nearest >= 0, "costs must be finite")
            length = lowest
            let column = open[nearest]
            columnVisited[column] = true
            open[nearest] = open[open.count - 1]
            open.removeLast()
            if rowOfColumn[column] < 0 { return (column, length) }
            row = rowOfColumn[column]
        }
    }

    private mutating func updatePrices(row start: Int, length: Double) {
        rowPrices[start] += length
        for row in 0..<rows where rowVisited[row] && row != start {
            rowPrices[row] += length - reach[columnOfRow[row]]
        }
        for column in 0..<columns where columnVisited[column] { columnPrices[column] -= length - reach[column] }
    }

    private mutating func augment(from start: Int, to sink: Int) {
        var column = sink
        while true {
            let row = cameFrom[column]
            rowOfColumn[column] = row
            let previous = columnOfRow[row]
            columnOfRow[row] = column
            if row == start { return }
            column = previous
        }
    }
}
