import Glibc

/// A folder that is gone with the object.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/hcqd-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw CannotMakeFolder() }
        path = String(cString: made)
    }

    deinit { _ = run("rm", "-rf", path) }

    struct CannotMakeFolder: Error {}
}

/// Runs a program with standard output and error captured; the exit status and what it printed.
@discardableResult
func run(_ arguments: String...) -> (status: Int32, output: String) {
    let quoted = arguments.map { "'" + $0.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'" }
    guard let pipe = popen(quoted.joined(separator: " ") + " 2>&1", "r") else { return (127, "") }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 65536)
    while case let count = fread(&block, 1, block.count, pipe), count > 0 { bytes += block.prefix(count) }
    let status = pclose(pipe)
    return (status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f, String(decoding: bytes, as: UTF8.self))
}
