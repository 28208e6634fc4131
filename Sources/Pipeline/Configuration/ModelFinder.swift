public import Foundation

/// Where the weights are that a user did not name.
public enum ModelFinder {
    /// Looks at `HCQD_MODEL`, then for weights in `Models/` beside the binary and in the directories above it (a checkout),
    /// then in `share/hcqd/` beside the binary's directory (installed), then in `/usr/share/hcqd`.
    /// - Returns: The first one by name in the first directory that has any, an int8 form (`-int8`) only where there is
    ///   nothing else; nil when there is none.
    public static func find(
        environment: [String: String] = ProcessInfo.processInfo.environment,
        executable: String? = Bundle.main.executablePath
    ) -> String? {
        if let named = environment["HCQD_MODEL"], !named.isEmpty { return named }
        for directory in directories(executable: executable) {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
            let found = names.filter { $0.hasSuffix(".safetensors") }
            let exact = found.filter { !$0.hasSuffix("-int8.safetensors") }
            if let name = exact.min() ?? found.min() { return "\(directory)/\(name)" }
        }
        return nil
    }

    static func directories(executable: String?) -> [String] {
        var places: [String] = []
        if let executable {
            var directory = URL(fileURLWithPath: executable).resolvingSymlinksInPath().deletingLastPathComponent()
            let installed = directory.deletingLastPathComponent().appendingPathComponent("share/hcqd").path
            for _ in 0..<5 where directory.path != "/" {
                places.append(directory.appendingPathComponent("Models").path)
                directory.deleteLastPathComponent()
            }
            places.append(installed)
        }
        places.append("/usr/share/hcqd")
        return places
    }
}

/// There are no weights where they are looked for.
public struct ModelMissing: Error, Equatable, CustomStringConvertible {
    public init() {}

    public var description: String {
        "no model found; name one with --model, model.path or HCQD_MODEL. "
            + "`hcqd model new -o M.safetensors` makes an untrained one to try"
    }
}
