import Foundation
import Glibc
import TestTools
import Testing

/// A disk under the daemon whose calls fail when the test wants it (`Tests/Tools/faulty_disk.c`).
final class FaultyDisk {
    /// As in the C file.
    enum Call: Int { case open, write, fsync, fdatasync, rename, unlink, ftruncate, mkdir }

    let environment: [String: String]
    private let switches: UnsafeMutablePointer<Int32>
    private static let count = 2 * 8 + 3
    private static let room = 16, stall = 17

    init(in folder: Scratch, root: String) throws {
        let library = folder.path("faulty_disk.so")
        let source = Hcqd.project.appendingPathComponent("Tests/Tools/faulty_disk.c").path
        // Swift brings clang along.
        let built = try Hcqd.run(
            "/usr/bin/env", ["clang", "-shared", "-fPIC", "-O2", "-o", library, source], in: folder)
        try #require(built.status == 0, "\(built.errors)")
        let path = folder.path("switches")
        var initial = [Int32](repeating: 0, count: Self.count)
        initial[Self.room] = -1
        try initial.withUnsafeBytes { try Data($0).write(to: URL(fileURLWithPath: path)) }
        let descriptor = open(path, O_RDWR)
        defer { close(descriptor) }
        let map = mmap(nil, Self.count * 4, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        switches = try #require(map == MAP_FAILED ? nil : map).assumingMemoryBound(to: Int32.self)
        environment = ["LD_PRELOAD": library, "FAULTY_ROOT": root, "FAULTY_SWITCHES": path]
    }

    deinit { munmap(switches, Self.count * 4) }

    /// Makes a call fail, every time or so many times.
    func fail(_ call: Call, _ code: Int32, times: Int32 = -1) {
        switches[2 * call.rawValue + 1] = times
        switches[2 * call.rawValue] = code
    }

    /// So many bytes may still be written.
    func fill(leaving bytes: Int32) { switches[Self.room] = bytes }

    /// Every synchronisation takes so long, and so does every file that is opened.
    func stall(milliseconds: Int32) { switches[Self.stall] = milliseconds }

    func heal() {
        for i in 0..<16 { switches[i] = 0 }
        switches[Self.room] = -1
        switches[Self.stall] = 0
    }
}
