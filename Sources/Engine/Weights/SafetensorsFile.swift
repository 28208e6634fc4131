internal import FoundationEssentials
internal import Glibc
internal import Scene

/// A `.safetensors` file, memory-mapped: an 8-byte length, a JSON header, raw little-endian tensors.
///
/// Source: the format's description in github.com/huggingface/safetensors. Every offset is checked when the file is opened.
public final class SafetensorsFile: @unchecked Sendable {
    /// What the header says of one tensor.
    public struct Entry: Sendable {
        public let type: String
        public let shape: [Int]
        /// Bytes in the data section.
        let range: Range<Int>
    }

    public let path: String
    public let metadata: [String: String]
    public let entries: [String: Entry]
    private let mapping: UnsafeMutableRawPointer
    private let length: Int
    private let data: UnsafeRawPointer

    /// Opens and checks the whole header.
    /// - Throws: `unreadable` or `malformed`.
    public init(path: String) throws(EngineError) {
        (mapping, length) = try Self.map(path)
        do throws(EngineError) {
            let header = try Self.header(of: mapping, length, path)
            (entries, metadata) = try Self.parse(header, dataLength: length - 8 - header.count, path)
            data = UnsafeRawPointer(mapping) + 8 + header.count
            self.path = path
        } catch {
            munmap(mapping, length)
            throw error
        }
    }

    deinit { munmap(mapping, length) }

    /// A tensor's numbers as float32; nil when the file has none of this name.
    /// - Parameter includingIntegers: whether I64 will do, too.
    /// - Throws: `wrongType` for anything but F32, F16 and BF16.
    public func values(_ name: String, includingIntegers: Bool = false) throws(EngineError) -> [Float]? {
        guard let entry = entries[name] else { return nil }
        let count = entry.shape.reduce(1, *)
        let bytes = data + entry.range.lowerBound
        switch entry.type {
        // Made without elements, an array would write to the empty one that all threads share.
        case "F32" where count == 0: return []
        case "F32":
            return [Float](unsafeUninitializedCapacity: count) { buffer, filled in
                memcpy(buffer.baseAddress!, bytes, 4 * count)
                filled = count
            }
        case "F16":
            return (0..<count).map { Float(bytes.loadUnaligned(fromByteOffset: 2 * $0, as: Float16.self)) }
        case "BF16":
            return (0..<count).map {
                Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)) << 16)
            }
        case "I64" where includingIntegers:
            return (0..<count).map { Float(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
        default: throw .wrongType(name: name, found: entry.type)
        }
    }

    /// Gives a tensor's pages back to the system; they come again from the file when somebody reads them.
    func forget(_ name: String) {
        guard let entry = entries[name] else { return }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let start = data - UnsafeRawPointer(mapping) + entry.range.lowerBound
        // Pages that the neighbours share stay.
        let first = (start + page - 1) / page * page, last = (start + entry.range.count) / page * page
        if last > first { madvise(mapping + first, last - first, MADV_DONTNEED) }
    }

    /// A tensor of type I8; nil when the file has none of this name and type.
    func integers(_ name: String) -> [Int8]? {
        guard let entry = entries[name], entry.type == "I8" else { return nil }
        let bytes = UnsafeRawBufferPointer(start: data + entry.range.lowerBound, count: entry.range.count)
        return bytes.map { Int8(bitPattern: $0) }
    }

    // MARK: opening

    private static func map(_ path: String) throws(EngineError) -> (UnsafeMutableRawPointer, Int) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .unreadable(path: path, reason: String(cString: strerror(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(path: path, reason: "not a regular file") }
        guard status.st_size >= 8 else {
            throw .malformed(path: path, reason: "\(status.st_size) bytes cannot hold a header")
        }
        let mapping = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard let mapping, mapping != MAP_FAILED else {
            throw .unreadable(path: path, reason: String(cString: strerror(errno)))
        }
        return (mapping, Int(status.st_size))
    }

    private static func header(of mapping: UnsafeMutableRawPointer, _ length: Int, _ path: String) throws(EngineError)
        -> Data
    {
        let size = UInt64(littleEndian: mapping.loadUnaligned(as: UInt64.self))
        guard size <= UInt64(length - 8), size <= 100_000_000 else {
            throw .malformed(path: path, reason: "a header of \(size) bytes does not fit into \(length) bytes")
        }
        return Data(bytes: mapping + 8, count: Int(size))
    }

    /// One value of the header: a tensor's description or, under `__metadata__`, strings.
    private struct HeaderValue: Decodable {
        var type: String?
        var shape: [Int]?
        var offsets: [Int]?
        var strings: [String: String] = [:]

        struct Key: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        init(from decoder: any Swift.Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            if decoder.codingPath.last?.stringValue == "__metadata__" {
                for key in container.allKeys {
                    strings[key.stringValue] = try container.decode(String.self, forKey: key)
                }
            } else {
                type = try container.decode(String.self, forKey: Key(stringValue: "dtype"))
                shape = try container.decode([Int].self, forKey: Key(stringValue: "shape"))
                offsets = try container.decode([Int].self, forKey: Key(stringValue: "data_offsets"))
            }
        }
    }

    private static func parse(
        _ header: Data, dataLength: Int, _ path: String
    ) throws(EngineError) -> ([String: Entry], [String: String]) {
        let values: [String: HeaderValue]
        do {
            values = try JSONDecoder().decode([String: HeaderValue].self, from: header.endedJSON)
        } catch {
            throw .malformed(path: path, reason: "the header is not the JSON of a safetensors file")
        }
        var entries: [String: Entry] = [:]
        for (name, value) in values where name != "__metadata__" {
            entries[name] = try entry(name, value, dataLength, path)
        }
        return (entries, values["__metadata__"]?.strings ?? [:])
    }

    private static let bytesPerElement = [
        "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2,
        "U8": 1,
        "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
    ]

    private static func entry(
        _ name: String, _ value: HeaderValue, _ dataLength: Int, _ path: String
    ) throws(EngineError) -> Entry {
        func wrong(_ reason: String) -> EngineError { .malformed(path: path, reason: "tensor '\(name)' \(reason)") }
        guard let type = value.type, let shape = value.shape, let offsets = value.offsets, offsets.count == 2 else {
            throw wrong("has no dtype, shape or data_offsets")
        }
        guard let width = bytesPerElement[type] else { throw wrong("has unknown dtype \(type)") }
        guard shape.count <= 16, offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= dataLength else {
            throw wrong("lies at bytes \(offsets[0])...\(offsets[1]) of \(dataLength)")
        }
        var bytes = width
        for side in shape {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: side)
            guard side >= 0, !overflow else { throw wrong("has impossible shape \(shape)") }
            bytes = product
        }
        guard bytes == offsets[1] - offsets[0] else {
            throw wrong("has \(offsets[1] - offsets[0]) bytes, its shape \(shape) of \(type) needs \(bytes)")
        }
        return Entry(type: type, shape: shape, range: offsets[0]..<offsets[1])
    }
}
