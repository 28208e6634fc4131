internal import Foundation
internal import TestTools
internal import Testing

/// Python's jsonschema, an independent reader of `Config/event.schema.json`.
enum JSONSchema {
    /// The interpreter that `make test` prepares; nil when the tests are run by hand without it.
    static let python = ProcessInfo.processInfo.environment["HCQD_PYTHON"]

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// What is wrong with each line of a log; empty when all are valid.
    static func complaints(about log: [UInt8]) throws -> String {
        guard let python else {
            print("left out: lines are not validated against the schema, because HCQD_PYTHON names no interpreter")
            return ""
        }
        let file = FileManager.default.temporaryDirectory.appending(path: "hcqd-schema-\(UUID().uuidString).jsonl")
        try Data(log).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let outcome = try Program.run(
            python, ["-c", program, root.appending(path: "Config/event.schema.json").path, file.path])
        return outcome.text + outcome.errors + (outcome.status == 0 ? "" : "exit status \(outcome.status)")
    }

    private static let program = """
        import json, sys
        from jsonschema import Draft202012Validator
        schema = json.load(open(sys.argv[1]))
        Draft202012Validator.check_schema(schema)
        validator = Draft202012Validator(schema)
        for number, line in enumerate(open(sys.argv[2], encoding="utf-8"), 1):
            for error in validator.iter_errors(json.loads(line)):
                print(number, error.json_path, error.message[:200])
        """
}
