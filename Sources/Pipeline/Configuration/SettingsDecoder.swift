internal import Yams

/// The `Decoder` that hands YAML over defaults to a settings type; see `SettingsReader`.
struct SettingsDecoder: Decoder {
    let node: Node?
    let fallback: Node?
    let codingPath: [any CodingKey]
    let asked: SettingsReader.Asked
    let reader: SettingsReader
    /// The nearest node around, for the line of what is missing.
    let near: Node?
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        asked.isMapping = true
        return KeyedDecodingContainer(
            Keyed(decoder: self, written: try mapping(node), defaults: try mapping(fallback)))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        switch node ?? fallback {
        case .sequence(let list)?: return Unkeyed(decoder: self, elements: Array(list))
        case nil: return Unkeyed(decoder: self, elements: [])
        default: throw corrupted(aList)
        }
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { Single(decoder: self) }

    private func mapping(_ node: Node?) throws -> Node.Mapping? {
        switch node {
        case nil: nil
        case .mapping(let mapping)?: mapping.merged
        default: throw corrupted(aGroupOfKeys)
        }
    }

    fileprivate func corrupted(_ allowed: String) -> DecodingError {
        .dataCorrupted(.init(codingPath: codingPath, debugDescription: allowed))
    }

    private struct Keyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let decoder: SettingsDecoder
        let written: Node.Mapping?
        let defaults: Node.Mapping?
        var codingPath: [any CodingKey] { decoder.codingPath }

        var allKeys: [Key] {
            decoder.asked.takesAnyKey = true
            let names = (written ?? defaults)?.keys.compactMap { $0.scalar?.string } ?? []
            return names.compactMap { Key(stringValue: $0) }
        }

        func contains(_ key: Key) -> Bool { written(key) != nil || inDefaults(key) != nil }

        func decodeNil(forKey key: Key) -> Bool {
            guard let node = written(key) ?? inDefaults(key) else { return true }
            return node.null != nil
        }

        func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
            var node = written(key)
            // `key: null` switches an optional setting off; elsewhere a key without a value says nothing.
            let isOff = node?.null != nil && type is any OptionalType.Type
            if node?.null != nil, !isOff { node = nil }
            return try decoder.reader.read(
                type, node: node, fallback: isOff ? nil : inDefaults(key), path: codingPath + [key], near: decoder.near)
        }

        func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws
            -> KeyedDecodingContainer<Nested>
        { try nested(key).container(keyedBy: type) }

        func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
            try nested(key).unkeyedContainer()
        }

        func superDecoder() throws -> any Decoder { decoder }
        func superDecoder(forKey key: Key) throws -> any Decoder { nested(key) }

        private func nested(_ key: Key) -> SettingsDecoder {
            SettingsDecoder(
                node: written(key), fallback: inDefaults(key), codingPath: codingPath + [key],
                asked: SettingsReader.Asked(), reader: decoder.reader, near: decoder.near)
        }

        /// A dictionary's keys are the user's own words; a type's keys are spelled in snake case.
        private func written(_ key: Key) -> Node? {
            let name = decoder.asked.takesAnyKey ? key.stringValue : snakeCase(key.stringValue)
            decoder.asked.keys.insert(name)
            return written?[name]
        }

        private func inDefaults(_ key: Key) -> Node? { defaults?[key.stringValue] }
    }

    private struct Unkeyed: UnkeyedDecodingContainer {
        let decoder: SettingsDecoder
        let elements: [Node]
        var codingPath: [any CodingKey] { decoder.codingPath }
        var count: Int? { elements.count }
        var isAtEnd: Bool { currentIndex >= elements.count }
        var currentIndex = 0

        mutating func decodeNil() -> Bool {
            guard !isAtEnd, elements[currentIndex].null != nil else { return false }
            currentIndex += 1
            return true
        }

        mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
            let node = try next()
            return try decoder.reader.read(
                type, node: node, fallback: nil, path: codingPath + [Index(currentIndex - 1)], near: decoder.near)
        }

        mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws
            -> KeyedDecodingContainer<Nested>
        { try superDecoder().container(keyedBy: type) }

        mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
            try superDecoder().unkeyedContainer()
        }

        mutating func superDecoder() throws -> any Decoder {
            let node = try next()
            return SettingsDecoder(
                node: node, fallback: nil, codingPath: codingPath + [Index(currentIndex - 1)],
                asked: SettingsReader.Asked(), reader: decoder.reader, near: node)
        }

        private mutating func next() throws -> Node {
            guard !isAtEnd else { throw decoder.corrupted("a list of more than \(elements.count) values") }
            currentIndex += 1
            return elements[currentIndex - 1]
        }
    }

    private struct Single: SingleValueDecodingContainer {
        let decoder: SettingsDecoder
        var codingPath: [any CodingKey] { decoder.codingPath }

        func decodeNil() -> Bool { (decoder.node ?? decoder.fallback)?.null != nil }

        func decode<T: Decodable>(_ type: T.Type) throws -> T {
            guard let scalarType = type as? any ScalarConstructible.Type else { return try T(from: decoder) }
            guard case .scalar(let scalar)? = decoder.node ?? decoder.fallback,
                let value = scalarType.construct(from: scalar) as? T
            else { throw decoder.corrupted(kindName(type)) }
            return value
        }
    }

    private struct Index: CodingKey {
        let intValue: Int?
        var stringValue: String { intValue.map(String.init) ?? "" }
        init(_ index: Int) { intValue = index }
        init?(intValue: Int) { self.intValue = intValue }
        init?(stringValue: String) { nil }
    }
}
