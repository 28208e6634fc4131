public import Scene

extension HCQNet {
    /// What the network is and costs, as a table to read.
    /// - Parameter size: of the input; both sides are multiples of 32.
    public func summary(for size: PixelSize) -> String {
        let plan = Pass(threads: 1)
        let extraction = PeopleExtraction(configuration)
        forward(size, Constants(self, size: size), using: plan) { _ in
        } _: {
            extraction.reserve($0, using: plan)
        }
        let books = plan.books
        func giga(_ count: Int) -> String {
            Self.padded(Self.number(Double(count) / 1e9, digits: count < 10_000_000 ? 6 : 3), 12)
        }
        var lines = ["configuration  \(configuration.json)", "parameters     \(parameterCount)", ""]
        lines.append("GMACs at \(size.width)x\(size.height)")
        for module in Module.allCases where books.macs[module.rawValue] > 0 {
            lines.append("  " + module.title.padding(to: 22) + giga(books.macs[module.rawValue]))
        }
        lines.append("  " + "total".padding(to: 22) + giga(books.macs.reduce(0, +)))
        let sampling = books.sampling.reduce(0, +)
        lines.append("  " + "deformable sampling".padding(to: 22) + giga(sampling) + "  (not in the total)")
        lines.append("")
        lines.append("workspace      \((plan.bytes + (1 << 19)) >> 20) MiB on one core")
        return lines.joined(separator: "\n")
    }

    private static func number(_ value: Double, digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let whole = Int((value * scale).rounded())
        let text = String(whole % Int(scale))
        return "\(whole / Int(scale))." + String(repeating: "0", count: digits - text.count) + text
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}

extension String {
    /// With spaces behind it.
    fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
