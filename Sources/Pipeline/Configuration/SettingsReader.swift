internal import Foundation
internal import Scene
internal import Yams

/// Reads settings from YAML over their defaults and remembers everything that is wrong, instead of stopping at the first.
///
/// A key that no settings type asks for is unknown. A value of the wrong type is reported and replaced by its default, or by
/// any value where there is none, so that the rest is read too; who has problems uses nothing of what was read.
final class SettingsReader {
    let file: String
    private(set) var problems: [ConfigurationProblem] = []
    /// Every key that a settings type asked for, in dotted form.
    private(set) var askedPaths: Set<String> = []

    init(file: String) { self.file = file }

    /// Thrown after the problem itself has been noted, where nothing can stand for the value.
    struct Unreadable: Error {}

    /// What one decoder was asked for.
    final class Asked {
        var keys: Set<String> = []
        /// A dictionary takes any key.
        var takesAnyKey = false
        var isMapping = false
    }

    /// Reads a value.
    /// - Parameters:
    ///   - node: What the file says here; nil when it says nothing.
    ///   - fallback: The default's tree; nil when there is no default, and then the key is required.
    func read<T: Decodable>(_ type: T.Type, node: Node?, fallback: Node?, path: [any CodingKey], near: Node?) throws
        -> T
    {
        let fallback = try fallback ?? (type as? any DefaultSettings.Type).map { try Self.tree($0.init()) }
        if node == nil, fallback == nil, !(type is any OptionalType.Type) {
            note(path, near, found: "nothing", allowed: "this key is required: \(kindName(type))")
            return try Self.standIn(type)
        }
        let asked = Asked()
        let decoder = SettingsDecoder(
            node: node, fallback: fallback, codingPath: path, asked: asked, reader: self, near: node ?? near)
        do {
            let value = try T(from: decoder)
            noteUnknownKeys(of: node, asked, path)
            askedPaths.formUnion(asked.keys.map { Self.dotted(path.map(\.stringValue) + [$0]) })
            return value
        } catch let error as DecodingError {
            guard case .dataCorrupted(let context) = error else { throw error }
            note(path, node ?? near, found: describe(node), allowed: caseNames(type) ?? context.debugDescription)
            guard node != nil, let fallback else { return try Self.standIn(type) }
            return try read(type, node: nil, fallback: fallback, path: path, near: near)
        }
    }

    /// Any value of a type, to go on with where the file has none.
    private static func standIn<T: Decodable>(_ type: T.Type) throws -> T {
        for text in ["0", "false", "[]", "[0, 0]", "{}"] {
            guard let node = try Yams.compose(yaml: text) else { continue }
            let decoder = SettingsDecoder(
                node: node, fallback: nil, codingPath: [], asked: Asked(), reader: SettingsReader(file: ""), near: node)
            if let value = try? T(from: decoder) { return value }
        }
        guard let value = (type as? any CaseIterable.Type)?.firstCase as? T else { throw Unreadable() }
        return value
    }

    /// Keys that are unknown where they stand and known elsewhere get that place as a hint. To be asked when all is read.
    func hintAtOtherPlaces() {
        for i in problems.indices where problems[i].found == Self.unknownKey && problems[i].nearest == nil {
            let keys = problems[i].path.split(separator: ".")
            let places = askedPaths.filter { $0.split(separator: ".").last == keys.last }
            func shared(_ place: String) -> Int { zip(place.split(separator: "."), keys).prefix { $0 == $1 }.count }
            problems[i].nearest = places.max { (shared($0), $1) < (shared($1), $0) }
        }
    }

    private static let unknownKey = "an unknown key"

    func note(_ path: [any CodingKey], _ node: Node?, found: String, allowed: String, nearest: String? = nil) {
        problems.append(
            ConfigurationProblem(
                file: file, line: node?.mark?.line,
                path: Self.dotted(path.map { $0.intValue.map(String.init) ?? $0.stringValue }),
                found: found, allowed: allowed, nearest: nearest))
    }

    /// A value as the tree that reading it again would start from.
    static func tree(_ value: some Encodable) throws -> Node {
        // JSON is YAML; its encoder writes the shortest digits that give the same number back.
        let json = try JSONEncoder().encode(value)
        guard let node = try Yams.compose(yaml: String(decoding: json, as: UTF8.self)) else { throw Unreadable() }
        return node
    }

    static func dotted(_ path: [String]) -> String { path.map(snakeCase).joined(separator: ".") }

    private func noteUnknownKeys(of node: Node?, _ asked: Asked, _ path: [any CodingKey]) {
        guard asked.isMapping, !asked.takesAnyKey, case .mapping(let mapping)? = node else { return }
        for (key, _) in mapping.merged {
            let name = key.scalar?.string ?? "(not a name)"
            guard !asked.keys.contains(name) else { continue }
            problems.append(
                ConfigurationProblem(
                    file: file, line: key.mark?.line, path: Self.dotted(path.map(\.stringValue) + [name]),
                    found: Self.unknownKey, allowed: asked.keys.sorted().joined(separator: ", "),
                    nearest: nearestName(to: name, among: asked.keys)))
        }
    }
}

/// Settings that stand in a list or under a name that the user chose, and may be given in part.
protocol DefaultSettings: Encodable {
    init()
}

/// What stands at a place, as a person would say it.
func describe(_ node: Node?) -> String {
    switch node {
    case nil: "nothing"
    case .scalar(let scalar)?:
        scalar.string.isEmpty
            ? "nothing"
            : "'\(scalar.string)'"
                + ([.singleQuoted, .doubleQuoted].contains(scalar.style) && Double(scalar.string) != nil
                    ? " in quotes, which is text" : "")
    case .mapping?: "a group of keys"
    case .sequence?: "a list"
    case .alias?: "an alias"
    }
}

/// `inputSize` as it stands in the file: `input_size`; names that are snake case already stay as they are.
func snakeCase(_ name: String) -> String {
    var out = ""
    var previousWasLower = false
    for character in name {
        if character.isUppercase {
            if previousWasLower { out.append("_") }
            out += character.lowercased()
        } else {
            out.append(character)
        }
        previousWasLower = character.isLowercase || character.isNumber
    }
    return out
}

/// What stands where settings hold others.
let aList = "a list: [ONE, ANOTHER]"
let aGroupOfKeys = "a group of keys, each with its value on a line of its own below"

func kindName(_ type: Any.Type) -> String {
    switch type {
    case is Bool.Type: return "true or false"
    case is any UnsignedInteger.Type: return "a whole number, 0 or more"
    case is any BinaryInteger.Type: return "a whole number"
    case is any BinaryFloatingPoint.Type: return "a number"
    case is String.Type: return "text"
    case is any Collection.Type where !(type is any ExpressibleByDictionaryLiteral.Type):
        return aList
    default: return caseNames(type) ?? aGroupOfKeys
    }
}

/// The raw values of an enumeration, as a list for people; nil for any other type.
private func caseNames(_ type: Any.Type) -> String? {
    guard let cases = (type as? any CaseIterable.Type)?.names else { return nil }
    return cases.isEmpty ? nil : cases.joined(separator: ", ")
}

protocol OptionalType {}
extension Optional: OptionalType {}

extension CaseIterable {
    fileprivate static var names: [String] {
        allCases.map { ($0 as? any RawRepresentable).map { "\($0.rawValue)" } ?? "\($0)" }
    }

    fileprivate static var firstCase: Any? { allCases.first }
}

extension Node.Mapping {
    /// With the keys that `<<: *name`, or a list of such, brings in where this mapping has none of its own (YAML 1.1).
    ///
    /// Only as much as a person would write: names that stand for each other many times over are not followed.
    var merged: Node.Mapping {
        var budget = 200
        return merged(&budget)
    }

    private func merged(_ budget: inout Int) -> Node.Mapping {
        let merge = "<<"
        guard let more = self[merge], budget > 0 else { return self }
        budget -= 1
        var result = self
        result[merge] = nil
        for source in more.mapping.map({ [$0] }) ?? more.sequence?.compactMap(\.mapping) ?? [] {
            for (key, value) in source.merged(&budget) where result[key] == nil { result[key] = value }
        }
        return result
    }
}
