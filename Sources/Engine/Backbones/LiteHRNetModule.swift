internal import CKernels

/// Shuffle blocks on every branch, then every branch adds what the others saw. Twin: `lite_hrnet.py`, `Module`.
///
/// With x the branches after their blocks, `y0 = 2 x0 + up`, every other `yi = xi + down(y0) + down(xj) + up`, outputs are
/// `relu(y)`. What does not wait for each other runs in one step, the lowest branch's large tiles first.
struct BranchModule: Sendable {
    typealias Branches = LiteHRNet.Branches

    let branches: Int
    /// `blocks[i]`: of branch i.
    let blocks: [[NarrowChain]]
    /// `down[i][j]`: from branch j to the lower branch i, j < i: convolutions of stride 2, ReLU between them.
    let down: [[[NarrowChain]]]
    /// `up[j - 1]`: from branch j to all higher ones, before values are repeated.
    let up: [NarrowProduct]

    init(_ weights: Weights, branches: Int) throws(EngineError) {
        let channels = LiteHRNet.channels
        self.branches = branches
        var blocks: [[NarrowChain]] = []
        var down: [[[NarrowChain]]] = []
        var up: [NarrowProduct] = []
        for i in 0..<branches {
            var own: [NarrowChain] = []
            for block in 0..<2 {
                let (part, half) = (weights["blocks"][i][block], channels[i] / 2)
                own.append(
                    try NarrowChain(
                        expand: part["expand"], depthwise: part["depthwise"], project: part["project"], inputs: half,
                        outputs: half))
            }
            blocks.append(own)
            var above: [[NarrowChain]] = []
            for j in 0..<i {
                var steps: [NarrowChain] = []
                for step in 0..<i - j {
                    let outputs = step == i - j - 1 ? channels[i] : channels[j]
                    steps.append(
                        try NarrowChain(
                            weights["fuse"]["\(j)_\(i)"][step], inputs: channels[j], outputs: outputs, stride: 2))
                }
                above.append(steps)
            }
            down.append(above)
            if i > 0 {
                let targets = (0..<i).map { (weights["fuse"]["\(i)_\($0)"], outputs: channels[$0]) }
                up.append(try NarrowProduct(targets, inputs: channels[i]))
            }
        }
        (self.blocks, self.down, self.up) = (blocks, down, up)
    }

    /// - Parameters:
    ///   - maps: the branches; overwritten.
    ///   - sums: what becomes of them.
    func callAsFunction(_ maps: Branches, into sums: Branches, using pass: Pass) {
        pass.scope {
            shuffle(0, maps, into: sums, using: pass)
            shuffle(1, sums, into: maps, using: pass)
            pass.books.mark("shuffle blocks")
            let ups = Branches {
                0 < $0 && $0 < branches ? pass.map(maps[$0].height, maps[$0].width, up[$0 - 1].outputs) : maps[$0]
            }
            let y0 = pass.map(maps[0].height, maps[0].width, maps[0].tokens.stride).columns(0..<maps[0].channels)
            bringUp(maps, into: ups, using: pass)
            pass.run(y0.height, by: 8) { rows, _ in
                add(0, maps[0], scale: 2, ups, sum: y0, rectified: sums[0], rows: rows)
            }
            let inner = Intermediates(self, maps, using: pass)
            bringDown(maps, y0, into: inner, using: pass)
            finish(maps, y0, inner, ups, into: sums, using: pass)
            pass.books.mark("exchange")
        }
    }

    /// Which rows of which branch a tile is, the lowest branch first.
    private func band(_ tile: Int, _ maps: Branches, rows: @Sendable (Int) -> Int) -> (branch: Int, rows: Range<Int>) {
        var (tile, branch) = (tile, branches - 1)
        while true {
            let (height, size) = (maps[branch].height, rows(branch))
            let count = (height + size - 1) / size
            if tile < count { return (branch, tile * size..<min(height, (tile + 1) * size)) }
            tile -= count
            branch -= 1
        }
    }

    private func tiles(from first: Int, _ maps: Branches, rows: @Sendable (Int) -> Int) -> Int {
        (first..<branches).reduce(0) { $0 + (maps[$1].height + rows($1) - 1) / rows($1) }
    }

    /// A shuffle block of every branch.
    private func shuffle(_ index: Int, _ x: Branches, into y: Branches, using pass: Pass) {
        // Bands recompute a row at either end; taller ones keep fewer cores busy.
        @Sendable func rows(_ branch: Int) -> Int { branch == 0 ? 16 : 12 }
        var scratch = 0
        for i in 0..<branches {
            pass.books.count(macs: x[i].tokens.rows * blocks[i][index].macs)
            scratch = max(scratch, blocks[i][index].scratch(x[i]))
        }
        pass.run(tiles(from: 0, x, rows: rows), scratch: scratch) { tile, scratch in
            let (i, band) = band(tile, x, rows: rows)
            blocks[i][index].shuffleBlock(x[i], into: y[i], rows: band, scratch)
        }
    }

    /// The lower branches' parts of the higher ones' sums.
    private func bringUp(_ x: Branches, into ups: Branches, using pass: Pass) {
        @Sendable func rows(_ branch: Int) -> Int { 24 >> branch }
        for j in 1..<branches { pass.books.count(macs: x[j].tokens.rows * up[j - 1].macs) }
        pass.run(tiles(from: 1, x, rows: rows)) { tile, _ in
            let (j, band) = band(tile, x, rows: rows)
            let positions = band.lowerBound * x[j].width..<band.upperBound * x[j].width
            up[j - 1].apply(x[j].tokens.rows(positions), into: ups[j].tokens.rows(positions))
        }
    }

    /// Rows of a branch's sum: `scale * x + sum` (`sum` read only where `isStarted`) and every lower branch.
    private func add(
        _ branch: Int, _ x: FeatureMap, scale: Float, isStarted: Bool = false, _ ups: Branches, sum: FeatureMap,
        rectified: FeatureMap, rows: Range<Int>
    ) {
        var facts = hcq_sum()
        (facts.x, facts.scale, facts.width, facts.ld) = (UnsafePointer(x.tokens.data), scale, x.width, x.tokens.stride)
        if isStarted { facts.adding = UnsafePointer(sum.tokens.data) } else { facts.y = sum.tokens.data }
        facts.rectified = rectified.tokens.data
        facts.count = Int32(branches - 1 - branch)
        for j in branch + 1..<max(branch + 1, branches) {
            let from = UnsafePointer(ups[j].tokens.data + up[j - 1].starts[branch])
            switch j - branch {
            case 1: (facts.up.0, facts.ldu.0) = (from, ups[j].tokens.stride)
            case 2: (facts.up.1, facts.ldu.1) = (from, ups[j].tokens.stride)
            default: (facts.up.2, facts.ldu.2) = (from, ups[j].tokens.stride)
            }
        }
        withUnsafePointer(to: facts) { hcq_exchange($0, rows.lowerBound, rows.upperBound) }
    }

    /// Maps on the way down from one branch to another that is not the next.
    private struct Intermediates: Sendable {
        /// From branch 0 to 2; from 0 to 3, two of them; from 1 to 3. Empty ones where there is no such branch.
        let from0to2, from0to3, last0to3, from1to3: FeatureMap

        init(_ module: BranchModule, _ maps: Branches, using pass: Pass) {
            func map(_ level: Int, _ from: Int, _ to: Int) -> FeatureMap {
                to < module.branches
                    ? pass.paddedMap(maps[level].height, maps[level].width, maps[from].channels) : maps[from]
            }
            (from0to2, from0to3) = (map(1, 0, 2), map(1, 0, 3))
            (last0to3, from1to3) = (map(2, 0, 3), map(2, 1, 3))
        }
    }

    /// Every step down but the last ones.
    private func bringDown(_ x: Branches, _ y0: FeatureMap, into inner: Intermediates, using pass: Pass) {
        guard branches > 2 else { return }
        let first = down[2][0][0]
        guard branches > 3 else { return first(y0, into: inner.from0to2, .relu, rows: 4, using: pass) }
        let (second, third, other) = (down[3][0][0], down[3][0][1], down[3][1][0])
        let (height, width) = (inner.from0to2.height, inner.from0to2.width)
        pass.books.count(macs: height * width * (first.macs + second.macs) + inner.from1to3.tokens.rows * other.macs)
        let bands = (height + 11) / 12
        let scratch = max(first.scratch(y0), other.scratch(x[1]))
        pass.run(3 * bands, scratch: scratch) { tile, scratch in
            let rows = tile % bands * 12..<min(height, (tile % bands + 1) * 12)
            switch tile / bands {
            case 0: first.separable(y0, into: inner.from0to2, rows: rows, .relu, scratch)
            case 1: second.separable(y0, into: inner.from0to3, rows: rows, .relu, scratch)
            default:
                let half = rows.lowerBound / 2..<min(inner.from1to3.height, (rows.upperBound + 1) / 2)
                other.separable(x[1], into: inner.from1to3, rows: half, .relu, scratch)
            }
        }
        third(inner.from0to3, into: inner.last0to3, .relu, rows: 6, using: pass)
    }

    /// The last steps down, and the sums of all branches but the highest.
    private func finish(
        _ x: Branches, _ y0: FeatureMap, _ inner: Intermediates, _ ups: Branches, into sums: Branches, using pass: Pass
    ) {
        @Sendable func rows(_ branch: Int) -> Int { 16 >> branch }
        @Sendable func source(_ j: Int, _ i: Int) -> FeatureMap {
            switch (j, i) {
            case (0, 1): y0
            case (0, 2): inner.from0to2
            case (0, 3): inner.last0to3
            case (1, 3): inner.from1to3
            default: x[j]
            }
        }
        var scratch = 0
        for i in 1..<branches {
            for j in 0..<i {
                let last = down[i][j][i - j - 1]
                pass.books.count(macs: x[i].tokens.rows * last.macs)
                scratch = max(scratch, last.scratch(source(j, i)))
            }
        }
        pass.run(tiles(from: 1, x, rows: rows), scratch: scratch) { tile, scratch in
            let (i, band) = band(tile, x, rows: rows)
            for j in 0..<i {
                down[i][j][i - j - 1].separable(source(j, i), into: sums[i], rows: band, accumulating: j > 0, scratch)
            }
            add(i, x[i], scale: 1, isStarted: true, ups, sum: sums[i], rectified: sums[i], rows: band)
        }
    }
}
