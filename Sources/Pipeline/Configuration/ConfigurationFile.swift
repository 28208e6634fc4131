internal import Foundation
internal import Scene
internal import Yams

/// Reads settings of any type from YAML over their defaults.
enum ConfigurationFile {
    /// - Parameter file: The name that problems are told with.
    /// - Throws: `ConfigurationError` with everything that is wrong: the YAML, unknown keys, types, and, for settings that
    ///   check themselves, values.
    static func read<T: Codable>(_ yaml: String, file: String, defaults: T) throws -> T {
        if let reason = refusal(of: yaml) {
            throw ConfigurationError(problems: [
                ConfigurationProblem(
                    file: file, line: nil, path: "", found: reason,
                    allowed: "a configuration: at most 1 MiB, \(depthLimit) levels deep")
            ])
        }
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch {
            throw ConfigurationError(problems: [problem(error, in: yaml, file: file)])
        }
        let reader = SettingsReader(file: file)
        let node = root?.isNull == true ? nil : root
        let fallback = try SettingsReader.tree(defaults)
        let value = try? reader.read(T.self, node: node, fallback: fallback, path: [], near: root)
        reader.hintAtOtherPlaces()
        var problems = reader.problems
        for problem in (value as? any CheckedSettings)?.problems() ?? [] {
            let found = located(problem, in: node, file: file)
            if !reader.problems.contains(where: { $0.explains(found) }) { problems.append(found) }
        }
        guard let value, problems.isEmpty else {
            throw ConfigurationError(problems: problems.sorted { ($0.line ?? 0) < ($1.line ?? 0) })
        }
        return value
    }

    private static let depthLimit = 100
    /// Bytes.
    static let largest = 1 << 20

    /// The parser goes down one call per level: text that is no configuration must not exhaust the stack. Brackets in quotes
    /// are counted too, which is on the safe side.
    private static func refusal(of yaml: String) -> String? {
        guard yaml.utf8.count <= largest else { return "\(yaml.utf8.count) bytes" }
        var (brackets, dashes, indent) = (0, 0, 0)
        var isIndent = true
        for byte in yaml.utf8 {
            switch byte {
            case UInt8(ascii: "\n"): (dashes, indent, isIndent) = (0, 0, true)
            case UInt8(ascii: " "): if isIndent { indent += 1 }
            case UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":"): dashes += isIndent ? 1 : 0
            case UInt8(ascii: "["), UInt8(ascii: "{"): (brackets, isIndent) = (brackets + 1, false)
            case UInt8(ascii: "]"), UInt8(ascii: "}"): (brackets, isIndent) = (max(0, brackets - 1), false)
            default: isIndent = false
            }
            if brackets > depthLimit || dashes > depthLimit || indent > 4 * depthLimit { return "deeper nesting" }
        }
        return nil
    }

    /// The problem with the line of the deepest key of its path that the file has.
    private static func located(_ problem: SettingProblem, in root: Node?, file: String) -> ConfigurationProblem {
        var node = root
        var line = root?.mark?.line
        for key in problem.path {
            let next: Node? =
                switch node {
                case .mapping(let mapping)?: mapping.merged[key]
                case .sequence(let list)?: Int(key).flatMap { list.indices.contains($0) ? list[$0] : nil }
                default: nil
                }
            guard let next else { break }
            node = next
            line = next.mark?.line ?? line
        }
        return ConfigurationProblem(
            file: file, line: line, path: problem.path.joined(separator: "."), found: problem.found,
            allowed: problem.allowed)
    }

    private static func problem(_ error: any Error, in yaml: String, file: String) -> ConfigurationProblem {
        let (line, text): (Int?, String) =
            switch error as? YamlError {
            case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
                .composer(let context, let problem, let mark, _):
                (mark.line, problem + (context.map { begun($0, by: mark) } ?? ""))
            case .duplicatedKeysInMapping(let duplicates, let context):
                (
                    duplicates.compactMap { secondLine(of: $0, from: context.mark, in: yaml) }.min()
                        ?? context.mark.line,
                    "the same key twice: \(duplicates.sorted().joined(separator: ", ")); keep one of them"
                )
            case .reader(let problem, _, _, _): (nil, problem)
            default: (nil, "\(error)")
            }
        return ConfigurationProblem(
            file: file, line: line, path: "", found: "this is no YAML: \(text)\(advice(text, line: line, in: yaml))",
            allowed: "")
    }

    /// Where what is wrong begins, when that is not the line in which the parser noticed: quotes and brackets left
    /// open.
    private static func begun(_ context: YamlError.Context, by mark: Mark) -> String {
        guard context.mark.line != mark.line else { return "" }
        return " (\(context.text.trimmingCharacters(in: .whitespaces)) that begins in line \(context.mark.line))"
    }

    /// Where a key of the mapping that begins at `mark` stands for the second time; nil when both stand in one line.
    private static func secondLine(of key: String, from mark: Mark, in yaml: String) -> Int? {
        let lines = yaml.split(separator: "\n", omittingEmptySubsequences: false).enumerated().dropFirst(mark.line - 1)
        let places = lines.filter { _, line in
            let text = line.drop { $0 == " " }
            return line.count - text.count == mark.column - 1 && text.drop { "\"'".contains($0) }.hasPrefix(key)
                && text.drop { "\"'".contains($0) }.dropFirst(key.count).drop { "\"' ".contains($0) }.hasPrefix(":")
        }
        return places.dropFirst().first.map { $0.offset + 1 }
    }

    /// What the parser's words mostly mean.
    private static func advice(_ text: String, line: Int?, in yaml: String) -> String {
        let lines = yaml.split(separator: "\n", omittingEmptySubsequences: false)
        if let line, lines.indices.contains(line - 1), lines[line - 1].prefix(while: \.isWhitespace).contains("\t") {
            return "; indent by spaces, not by tabs"
        }
        if text.contains("mapping values are not allowed") || text.contains("could not find expected ':'") {
            return "; is a ':' missing before this, or are there quotes missing around a value with ': ' in it?"
        }
        if text.contains("found another document") {
            return "; a configuration is one document: remove this `---` and what follows"
        }
        return text.hasPrefix("the same key") ? "" : "; allowed are `key: value` lines, indented by spaces"
    }
}

extension Node {
    fileprivate var isNull: Bool {
        scalar.map { $0.string.isEmpty || $0.string == "~" || $0.string == "null" } ?? false
    }
}
