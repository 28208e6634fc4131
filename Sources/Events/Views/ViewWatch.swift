public import Scene

/// Notices that a camera's view went dark, uniform or out of focus, or shows something else than before.
///
/// The picture is seen as a grid of cells with the mean brightness and the mean step between neighbouring pixels of
/// each. What is usual is learnt slowly from good pictures, so that daylight may come and go.
public struct ViewWatch: Sendable {
    private enum View: Equatable {
        case good
        case covered(String)
        case moved
    }

    private var usual: Grid?
    private var learnt = 0
    private var said = View.good
    private var run: (view: View, since: StreamTime)?
    private var lastLook: StreamTime?

    /// Looks this often. Seconds.
    private static let pace = 0.4
    /// A view holds this long before it is told; one that moved a little longer, for a bus may stop in front. Seconds.
    private static let hold = 3.0
    private static let holdMoved = 6.0
    /// A new view is the usual one after this long. Seconds.
    private static let acceptance = 30.0
    /// Looks before anything is told.
    private static let lessons = 8
    private static let learningRate: Float = 0.02

    public init() {}

    /// - Returns: a change, told once; `clear` when the view is good again.
    public mutating func observe(_ picture: NetworkPicture, at time: StreamTime) -> CameraChange? {
        if let lastLook, time.seconds(since: lastLook) < Self.pace, time >= lastLook { return nil }
        lastLook = time
        let grid = Grid(picture)
        guard let usual, learnt >= Self.lessons else {
            learn(grid)
            return nil
        }
        let view = judge(grid, usual)
        if view == .good { learn(grid) }
        if run?.view != view { run = (view, time) }
        guard let since = run?.since else { return nil }
        if view == .moved, said == .moved, time.seconds(since: since) >= Self.acceptance {
            forget()
            return CameraChange(.clear, reason: "the new view is taken for the usual one")
        }
        let hold = view == .moved ? Self.holdMoved : Self.hold
        guard view != said, time.seconds(since: since) >= hold else { return nil }
        said = view
        switch view {
        case .good: return CameraChange(.clear)
        case .covered(let reason): return CameraChange(.covered, reason: reason)
        case .moved: return CameraChange(.moved)
        }
    }

    /// Starts anew, for a camera that was connected again.
    public mutating func forget() { self = ViewWatch() }

    private func judge(_ grid: Grid, _ usual: Grid) -> View {
        if grid.brightness < 16, grid.contrast < 6 { return .covered("dark") }
        if grid.contrast < 4, usual.contrast > 8 { return .covered("uniform") }
        // Less light takes contrast and detail alike; blur takes the detail only.
        let isBlurred = grid.detail * max(1, usual.contrast) < 0.3 * usual.detail * max(1, grid.contrast)
        if isBlurred, usual.detail > 1.5 { return .covered("blurred") }
        return grid.likeness(to: usual) < 0.3 ? .moved : .good
    }

    private mutating func learn(_ grid: Grid) {
        learnt += 1
        usual = usual?.mixed(with: grid, rate: learnt <= Self.lessons ? 1 / Float(learnt) : Self.learningRate) ?? grid
    }
}

/// A picture in 24 x 16 cells.
private struct Grid: Sendable {
    private static let (columns, rows) = (24, 16)

    /// Mean brightness of each cell, 0...255.
    private var levels: [Float]
    /// Mean step between neighbouring pixels of each cell.
    private var steps: [Float]

    init(_ picture: NetworkPicture) {
        levels = []
        steps = []
        let (width, height) = (picture.content.width, picture.content.height)
        for row in 0..<Self.rows {
            for column in 0..<Self.columns {
                let x = (column * width / Self.columns)..<((column + 1) * width / Self.columns)
                let y = (row * height / Self.rows)..<((row + 1) * height / Self.rows)
                let (level, step) = Self.measure(picture, x, y)
                levels.append(level)
                steps.append(step)
            }
        }
    }

    private static func measure(_ picture: NetworkPicture, _ x: Range<Int>, _ y: Range<Int>) -> (Float, Float) {
        var (sum, steps, count) = (0, 0, 0)
        for y in stride(from: y.lowerBound, to: y.upperBound, by: 2) {
            let row = picture.pixels + (y * picture.size.width * 3 + 1)
            for x in x.dropLast() {
                let green = Int(row[x * 3])
                sum += green
                steps += abs(green - Int(row[x * 3 + 3]))
                count += 1
            }
        }
        return count == 0 ? (0, 0) : (Float(sum) / Float(count), Float(steps) / Float(count))
    }

    var brightness: Float { levels.reduce(0, +) / Float(levels.count) }

    /// Standard deviation of the cells' brightness.
    var contrast: Float {
        let mean = brightness
        return (levels.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(levels.count)).squareRoot()
    }

    var detail: Float { steps.reduce(0, +) / Float(steps.count) }

    /// Correlation of what stands out from its surroundings, in brightness or in detail, whichever is higher: light changes
    /// the one, people the other, and both keep bright skies from looking alike.
    func likeness(to other: Grid) -> Float {
        max(
            Self.correlation(Self.standingOut(levels), Self.standingOut(other.levels)),
            Self.correlation(Self.standingOut(steps), Self.standingOut(other.steps)))
    }

    /// Each cell less the mean of the 3 x 3 around it.
    private static func standingOut(_ cells: [Float]) -> [Float] {
        func cell(_ row: Int, _ column: Int) -> Float {
            cells[min(rows - 1, max(0, row)) * columns + min(columns - 1, max(0, column))]
        }
        return cells.indices.map { i in
            let (row, column) = (i / columns, i % columns)
            var around: Float = 0
            for dy in -1...1 {
                for dx in -1...1 { around += cell(row + dy, column + dx) }
            }
            return cells[i] - around / 9
        }
    }

    func mixed(with other: Grid, rate: Float) -> Grid {
        var mixed = self
        for i in levels.indices {
            mixed.levels[i] += rate * (other.levels[i] - levels[i])
            mixed.steps[i] += rate * (other.steps[i] - steps[i])
        }
        return mixed
    }

    private static func correlation(_ a: [Float], _ b: [Float]) -> Float {
        let n = Float(a.count)
        let (meanA, meanB) = (a.reduce(0, +) / n, b.reduce(0, +) / n)
        var (ab, aa, bb): (Float, Float, Float) = (0, 0, 0)
        for i in a.indices {
            ab += (a[i] - meanA) * (b[i] - meanB)
            aa += (a[i] - meanA) * (a[i] - meanA)
            bb += (b[i] - meanB) * (b[i] - meanB)
        }
        return aa > 0 && bb > 0 ? ab / (aa * bb).squareRoot() : 1
    }
}
