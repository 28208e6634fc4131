internal import Glibc
internal import Synchronization

@testable internal import Events

/// A disk in memory that fails as disks do.
///
/// Every byte is clean or dirty; `fdatasync` makes dirty bytes durable, or when it fails forgets that they were dirty,
/// as Linux does. Names are durable after their directory's fsync. `crash` leaves what was durable, and of the rest as
/// much as the given generator likes.
final class FaultyDisk: FileSystem {
    struct Plan {
        /// The number of the call during which the process dies; a write then still writes a part.
        var deathAtCall: Int?
        /// Writes may be short: at most so many bytes go in one call.
        var shortWrites: Int?
        /// Bytes that all files together may have.
        var capacity = Int.max
        /// What calls fail with, by name.
        var failing: [String: Int32] = [:]
    }

    private struct Node {
        var data: [UInt8] = []
        var dirty: [Bool] = []
        var durable: [UInt8] = []
        var modified: Int64 = 0
        var device: UInt64 = 1
    }

    private struct State {
        var nodes: [Int: Node] = [:]
        var names: [String: Int] = [:]
        var durableNames: [String: Int] = [:]
        var directories: Set<String> = ["/"]
        var descriptors: [Int32: (node: Int, appends: Bool)] = [:]
        var locks: [Int: Int32] = [:]
        var nextNode = 1
        var nextDescriptor: Int32 = 3
        var calls = 0
        var isDead = false
        var clock: Int64 = 0
        var plan = Plan()
        /// Of files that are made from now on.
        var device: UInt64 = 1
        /// Files that nobody can change any more.
        var broken: Set<Int> = []
    }

    private let state = Mutex(State())

    var plan: Plan {
        get { state.withLock { $0.plan } }
        set { state.withLock { $0.plan = newValue } }
    }
    var calls: Int { state.withLock { $0.calls } }
    var isDead: Bool { state.withLock { $0.isDead } }
    var clock: Int64 {
        get { state.withLock { $0.clock } }
        set { state.withLock { $0.clock = newValue } }
    }

    /// Another disk is there from now on: `removeDirectory` takes what was on the old one.
    func replaceDevice() { state.withLock { $0.device += 1 } }

    var names: [String] { state.withLock { $0.names.keys.sorted() } }

    func content(_ path: String) -> [UInt8]? {
        state.withLock { state in state.names[path].flatMap { state.nodes[$0]?.data } }
    }

    /// Puts a file there, durable, as if it had always been.
    func put(_ path: String, _ bytes: [UInt8], modified: Int64 = 0) {
        state.withLock { state in
            let node = state.nextNode
            state.nextNode += 1
            state.nodes[node] = Node(
                data: bytes, dirty: [Bool](repeating: false, count: bytes.count), durable: bytes, modified: modified)
            (state.names[path], state.durableNames[path]) = (node, node)
            state.directories.insert(LogPaths.split(path).directory)
        }
    }

    func truncateFromOutside(_ path: String) {
        state.withLock { state in
            guard let node = state.names[path] else { return }
            state.nodes[node]?.data = []
            state.nodes[node]?.dirty = []
        }
    }

    /// The disk becomes read-only with what is on it now: also the files that are open.
    func breakDown() { state.withLock { $0.broken.formUnion($0.nodes.keys) } }

    /// The power fails: the process is gone, and so is what was not durable, but for what `luck` spares.
    func crash(luck: inout some RandomNumberGenerator) {
        state.withLock { state in
            let areNamesSpared = Bool.random(using: &luck)
            if areNamesSpared { state.durableNames = state.names } else { state.names = state.durableNames }
            for (number, var node) in state.nodes {
                let isExtended = node.data.count > node.durable.count
                let spared =
                    isExtended && Bool.random(using: &luck)
                    ? Int.random(in: node.durable.count...node.data.count, using: &luck) : node.durable.count
                var content = node.durable
                for i in content.count..<max(content.count, spared) { content.append(node.dirty[i] ? node.data[i] : 0) }
                node.data = content
                node.durable = content
                node.dirty = [Bool](repeating: false, count: content.count)
                state.nodes[number] = node
            }
            (state.descriptors, state.locks, state.isDead, state.plan) = ([:], [:], false, Plan())
        }
    }

    // MARK: FileSystem

    func open(_ path: String, flags: Int32) throws(SystemFailure) -> Int32 {
        try call("open", path) { state throws(SystemFailure) in
            if state.names[path] == nil {
                guard flags & O_CREAT != 0 else { throw SystemFailure(call: "open", path: path, code: ENOENT) }
                guard state.directories.contains(LogPaths.split(path).directory) else {
                    throw SystemFailure(call: "open", path: path, code: ENOENT)
                }
                state.names[path] = state.nextNode
                state.nodes[state.nextNode] = Node(device: state.device)
                state.nextNode += 1
            } else if flags & O_EXCL != 0 {
                throw SystemFailure(call: "open", path: path, code: EEXIST)
            }
            let node = state.names[path] ?? 0
            if flags & O_TRUNC != 0 {
                state.nodes[node]?.data = []
                state.nodes[node]?.dirty = []
            }
            defer { state.nextDescriptor += 1 }
            state.descriptors[state.nextDescriptor] = (node, flags & O_APPEND != 0)
            return state.nextDescriptor
        }
    }

    func close(_ descriptor: Int32) {
        state.withLock { state in
            guard !state.isDead else { return }
            state.descriptors[descriptor] = nil
            state.locks = state.locks.filter { $0.value != descriptor }
        }
    }

    func write(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>, path: String) throws(SystemFailure) -> Int {
        try write(descriptor, bytes, at: nil, path: path)
    }

    func write(
        _ descriptor: Int32, _ bytes: ArraySlice<UInt8>, at offset: Int64, path: String
    ) throws(SystemFailure) {
        _ = try write(descriptor, bytes, at: Int(offset), path: path)
    }

    private func write(
        _ descriptor: Int32, _ bytes: ArraySlice<UInt8>, at offset: Int?, path: String
    ) throws(SystemFailure) -> Int {
        var partial = false
        defer { if partial { die() } }
        return try call("write", path, diesAfter: { partial = true }) { state throws(SystemFailure) in
            guard let file = state.descriptors[descriptor], var node = state.nodes[file.node] else {
                throw SystemFailure(call: "write", path: path, code: EBADF)
            }
            if state.broken.contains(file.node) { throw SystemFailure(call: "write", path: path, code: EROFS) }
            let used = state.nodes.values.reduce(0) { $0 + $1.data.count }
            var count = min(bytes.count, max(0, state.plan.capacity - used))
            if count == 0, offset == nil { throw SystemFailure(call: "write", path: path, code: ENOSPC) }
            if offset != nil { count = bytes.count }
            if let limit = state.plan.shortWrites, offset == nil { count = min(count, limit) }
            if partial { count /= 2 }
            let start = offset ?? node.data.count
            for (i, byte) in bytes.prefix(count).enumerated() {
                if start + i < node.data.count {
                    (node.data[start + i], node.dirty[start + i]) = (byte, true)
                } else {
                    node.data.append(byte)
                    node.dirty.append(true)
                }
            }
            node.modified = state.clock
            state.nodes[file.node] = node
            return count
        }
    }

    func read(_ descriptor: Int32, at offset: Int64, count: Int, path: String) throws(SystemFailure) -> [UInt8] {
        try call("read", path) { state throws(SystemFailure) in
            let node = state.descriptors[descriptor].flatMap { state.nodes[$0.node] }
            return Array((node?.data ?? []).dropFirst(Int(offset)).prefix(count))
        }
    }

    func truncate(_ descriptor: Int32, to size: Int64, path: String) throws(SystemFailure) {
        try call("ftruncate", path) { state throws(SystemFailure) in
            guard let file = state.descriptors[descriptor], let node = state.nodes[file.node] else { return }
            if state.broken.contains(file.node) { throw SystemFailure(call: "ftruncate", path: path, code: EROFS) }
            state.nodes[file.node]?.data = Array(node.data.prefix(Int(size)))
            state.nodes[file.node]?.dirty = Array(node.dirty.prefix(Int(size)))
        }
    }

    func synchronize(_ descriptor: Int32, path: String) throws(SystemFailure) {
        let isFailing = state.withLock { $0.plan.failing["fdatasync"] != nil }
        if isFailing {
            state.withLock { state in
                guard let file = state.descriptors[descriptor], let node = state.nodes[file.node] else { return }
                state.nodes[file.node]?.dirty = [Bool](repeating: false, count: node.data.count)
            }
        }
        try call("fdatasync", path) { state throws(SystemFailure) in
            guard let file = state.descriptors[descriptor], var node = state.nodes[file.node] else { return }
            if state.broken.contains(file.node) { throw SystemFailure(call: "fdatasync", path: path, code: EROFS) }
            node.durable = node.data.indices.map {
                node.dirty[$0] ? node.data[$0] : ($0 < node.durable.count ? node.durable[$0] : 0)
            }
            node.dirty = [Bool](repeating: false, count: node.data.count)
            state.nodes[file.node] = node
        }
    }

    func synchronizeDirectory(_ path: String) throws(SystemFailure) {
        try call("fsync", path) { state throws(SystemFailure) in
            let isInside = { (name: String) in LogPaths.split(name).directory == path }
            state.durableNames = state.durableNames.filter { !isInside($0.key) }
                .merging(state.names.filter { isInside($0.key) }) { $1 }
        }
    }

    func facts(_ descriptor: Int32, path: String) throws(SystemFailure) -> FileFacts {
        try call("fstat", path) { state throws(SystemFailure) in
            guard let number = state.descriptors[descriptor]?.node, let node = state.nodes[number] else {
                throw SystemFailure(call: "fstat", path: path, code: EBADF)
            }
            return FileFacts(
                device: node.device, inode: UInt64(number), size: Int64(node.data.count), modified: node.modified)
        }
    }

    func facts(_ path: String) throws(SystemFailure) -> FileFacts? {
        try call("stat", path) { state throws(SystemFailure) in
            if state.directories.contains(path) {
                return FileFacts(device: 1, inode: 0, size: 0, modified: 0, isDirectory: true)
            }
            guard let number = state.names[path], let node = state.nodes[number] else { return nil }
            return FileFacts(
                device: node.device, inode: UInt64(number), size: Int64(node.data.count), modified: node.modified)
        }
    }

    func rename(_ path: String, to newPath: String) throws(SystemFailure) {
        try call("rename", path) { state throws(SystemFailure) in
            guard let node = state.names[path] else { throw SystemFailure(call: "rename", path: path, code: ENOENT) }
            (state.names[path], state.names[newPath]) = (nil, node)
        }
    }

    func remove(_ path: String) throws(SystemFailure) {
        try call("unlink", path) { state throws(SystemFailure) in
            guard let node = state.names[path] else { throw SystemFailure(call: "unlink", path: path, code: ENOENT) }
            state.names[path] = nil
            let isOpen = state.descriptors.values.contains { $0.node == node }
            if !isOpen, !state.durableNames.values.contains(node) { state.nodes[node] = nil }
        }
    }

    func makeDirectory(_ path: String) throws(SystemFailure) {
        try call("mkdir", path) { state throws(SystemFailure) in _ = state.directories.insert(path) }
    }

    func removeDirectory(_ path: String) {
        state.withLock { state in
            state.directories.remove(path)
            state.names = state.names.filter { LogPaths.split($0.key).directory != path }
        }
    }

    func list(_ path: String) throws(SystemFailure) -> [String] {
        try call("opendir", path) { state throws(SystemFailure) in
            (Array(state.names.keys) + state.directories).filter { LogPaths.split($0).directory == path }
                .map { LogPaths.split($0).name }.sorted()
        }
    }

    func freeBytes(_ path: String) throws(SystemFailure) -> Int64 {
        try call("statvfs", path) { state throws(SystemFailure) in
            Int64(state.plan.capacity == .max ? 1 << 40 : state.plan.capacity)
                - Int64(
                    state.names.values.reduce(0) { $0 + (state.nodes[$1]?.data.count ?? 0) })
        }
    }

    func utcNow() -> Int64 { clock }

    func lock(_ descriptor: Int32, path: String) throws(SystemFailure) -> Bool {
        try call("flock", path) { state throws(SystemFailure) in
            guard let node = state.descriptors[descriptor]?.node else { return false }
            if let holder = state.locks[node], holder != descriptor { return false }
            state.locks[node] = descriptor
            return true
        }
    }

    private func die() { state.withLock { $0.isDead = true } }

    /// Counts the call, and fails it when the plan or the process's death says so.
    private func call<Result>(
        _ name: String, _ path: String, diesAfter: (() -> Void)? = nil,
        _ body: (inout State) throws(SystemFailure) -> Result
    ) throws(SystemFailure) -> Result {
        do {
            return try state.withLock { state in
                state.calls += 1
                if state.isDead { throw SystemFailure(call: name, path: path, code: EIO) }
                if state.calls == state.plan.deathAtCall {
                    guard let diesAfter else {
                        state.isDead = true
                        throw SystemFailure(call: name, path: path, code: EIO)
                    }
                    diesAfter()
                }
                if let code = state.plan.failing[name] { throw SystemFailure(call: name, path: path, code: code) }
                return try body(&state)
            }
        } catch {
            throw error as? SystemFailure ?? SystemFailure(call: name, path: path, code: EIO)
        }
    }
}
