internal import Glibc

/// A tensor to be written.
public struct NamedTensor: Sendable {
    public let name: String
    public let shape: [Int]
    /// Row after row; empty for a tensor of integers.
    public let values: [Float]
    /// Row after row; empty for a tensor of floats.
    let integers: [Int8]

    public init(_ name: String, _ shape: [Int], _ values: [Float]) {
        precondition(shape.reduce(1, *) == values.count, "a tensor has as many values as its shape says")
        self.name = name
        self.shape = shape
        self.values = values
        integers = []
    }

    /// A tensor of 8-bit integers.
    init(_ name: String, _ shape: [Int], integers: [Int8]) {
        precondition(shape.reduce(1, *) == integers.count, "a tensor has as many values as its shape says")
        (self.name, self.shape, values, self.integers) = (name, shape, [], integers)
    }

    var type: String { integers.isEmpty ? "F32" : "I8" }
    var byteCount: Int { 4 * values.count + integers.count }
}

extension SafetensorsFile {
    /// Writes tensors in the order given; the file appears whole or not at all. A device is written in place; a link
    /// stays, and the file that it leads to is replaced.
    /// - Throws: `unreadable` when it cannot be written.
    public static func write(_ tensors: [NamedTensor], metadata: [String: String], to path: String) throws(EngineError)
    {
        var entries: [String] = []
        if !metadata.isEmpty {
            let pairs = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
            entries.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
        }
        var offset = 0
        for tensor in tensors {
            let end = offset + tensor.byteCount
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            entries.append(
                "\(quoted(tensor.name)):{\"dtype\":\"\(tensor.type)\",\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}"
            )
            offset = end
        }
        var header = Array("{\(entries.joined(separator: ","))}".utf8)
        // Tensors start at a multiple of 8.
        header.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - header.count % 8) % 8))
        try writeWhole(header, tensors, to: path)
    }

    private static func writeWhole(_ header: [UInt8], _ tensors: [NamedTensor], to path: String) throws(EngineError) {
        let (path, isFile) = Self.target(of: path)
        let draft = isFile ? path + ".part" : path
        guard let file = fopen(draft, "wb") else {
            throw .unreadable(path: path, reason: String(cString: strerror(errno)))
        }
        var length = UInt64(header.count).littleEndian
        var isWhole = fwrite(&length, 8, 1, file) == 1 && fwrite(header, 1, header.count, file) == header.count
        for tensor in tensors where isWhole {
            isWhole =
                fwrite(tensor.values, 4, tensor.values.count, file) == tensor.values.count
                && fwrite(tensor.integers, 1, tensor.integers.count, file) == tensor.integers.count
        }
        isWhole = fclose(file) == 0 && isWhole
        guard isWhole, !isFile || rename(draft, path) == 0 else {
            let reason = String(cString: strerror(errno))
            if isFile { unlink(draft) }
            throw .unreadable(path: path, reason: reason)
        }
    }

    /// Where a path leads, and whether a file may take its place there.
    private static func target(of path: String) -> (path: String, isFile: Bool) {
        var facts = stat()
        guard let target = realpath(path, nil) else { return (path, true) }
        defer { free(target) }
        let isFile = stat(target, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG
        return (String(cString: target), isFile)
    }

    /// A JSON string.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 32:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
