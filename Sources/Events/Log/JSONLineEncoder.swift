internal import Scene

/// Writes one JSON object as UTF-8 bytes: keys in the order given, numbers with a fixed number of decimals, no spaces.
struct JSONLineEncoder {
    private(set) var bytes: [UInt8] = []

    init(reserving capacity: Int = 1024) { bytes.reserveCapacity(capacity) }

    mutating func object(_ body: (inout JSONLineEncoder) -> Void) {
        bytes.append(UInt8(ascii: "{"))
        body(&self)
        close(UInt8(ascii: "}"))
    }

    mutating func array<Element>(_ elements: some Sequence<Element>, _ body: (inout JSONLineEncoder, Element) -> Void) {
        bytes.append(UInt8(ascii: "["))
        for element in elements {
            body(&self, element)
            bytes.append(UInt8(ascii: ","))
        }
        close(UInt8(ascii: "]"))
    }

    mutating func key(_ name: String, _ value: (inout JSONLineEncoder) -> Void) {
        string(name)
        bytes.append(UInt8(ascii: ":"))
        value(&self)
        bytes.append(UInt8(ascii: ","))
    }

    mutating func integer(_ value: some BinaryInteger) { bytes.append(contentsOf: String(value).utf8) }

    mutating func bool(_ value: Bool) { bytes.append(contentsOf: (value ? "true" : "false").utf8) }

    /// Half away from zero; what is not finite becomes 0, which no reader stumbles over.
    mutating func number(_ value: Double, decimals: Int) {
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (value * scale).rounded()
        fixed(Int64(exactly: scaled) ?? 0, decimals: decimals)
    }

    /// `value / 10^decimals`, exactly.
    mutating func fixed(_ value: Int64, decimals: Int) {
        var digits = Array(String(value.magnitude).utf8)
        if digits.count <= decimals {
            digits.insert(contentsOf: repeatElement(UInt8(ascii: "0"), count: decimals + 1 - digits.count), at: 0)
        }
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        bytes.append(contentsOf: digits.dropLast(decimals))
        if decimals > 0 {
            bytes.append(UInt8(ascii: "."))
            bytes.append(contentsOf: digits.suffix(decimals))
        }
    }

    mutating func string(_ text: String) {
        let hex = Array("0123456789abcdef".utf8)
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(contentsOf: [UInt8(ascii: "\\"), byte])
            case 0x0a: bytes.append(contentsOf: "\\n".utf8)
            case 0..<0x20, 0x7f:
                bytes.append(contentsOf: "\\u00".utf8)
                bytes.append(contentsOf: [hex[Int(byte >> 4)], hex[Int(byte & 15)]])
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func point(_ point: Point) { array([point.x, point.y]) { $0.number(Double($1), decimals: 4) } }

    /// The comma after the last element gives way to the closing bracket.
    private mutating func close(_ bracket: UInt8) {
        if bytes.last == UInt8(ascii: ",") { bytes[bytes.count - 1] = bracket } else { bytes.append(bracket) }
    }
}
