public import Foundation

/// Where the weights are that a user did not name.
public enum ModelFinder {
    /// The name that the shipped weights have everywhere.
    public static let fileName = "hcqnet.safetensors"

    /// Looks at `HCQD_MODEL`, then for `Models/hcqnet.safetensors` beside the binary and in the directories above it (a
    /// checkout), then for `share/hcqd/hcqnet.safetensors` beside the binary's directory (installed), then in `/usr/share`.
    /// - Returns: nil when there is none.
    public static func find(
        environment: [String: String] = ProcessInfo.processInfo.environment,
        executable: String? = Bundle.main.executablePath
    ) -> String? {
        if let named = environment["HCQD_MODEL"], !named.isEmpty { return named }
        return candidates(executable: executable).first { FileManager.default.isReadableFile(atPath: $0) }
    }

    static func candidates(executable: String?) -> [String] {
        var places: [String] = []
        if let executable {
            var directory = URL(fileURLWithPath: executable).resolvingSymlinksInPath().deletingLastPathComponent()
            let installed = directory.deletingLastPathComponent().appendingPathComponent("share/hcqd")
            for _ in 0..<5 {
                places.append(directory.appendingPathComponent("Models/\(fileName)").path)
                directory.deleteLastPathComponent()
            }
            places.append(installed.appendingPathComponent(fileName).path)
        }
        places.append("/usr/share/hcqd/\(fileName)")
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
