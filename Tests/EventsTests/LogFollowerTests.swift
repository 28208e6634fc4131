internal import Foundation
internal import Testing

@testable internal import Events

/// A log that is written and rotated by hand.
private final class HandLog {
    let path: String
    private let folder: URL
    private var handle: FileHandle

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "hcqd-follow-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        path = folder.appendingPathComponent("door.jsonl").path
        try Data().write(to: URL(fileURLWithPath: path))
        handle = try #require(FileHandle(forWritingAtPath: path))
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func write(_ numbers: ClosedRange<Int>) {
        for number in numbers { handle.write(Data("{\"v\":1,\"seq\":\(number),\"type\":\"start\"}\n".utf8)) }
    }

    func writePiece(_ text: String) { handle.write(Data(text.utf8)) }

    func rotate(to suffix: String, mark: String = ".") throws {
        try FileManager.default.moveItem(atPath: path, toPath: path + mark + suffix)
        try Data().write(to: URL(fileURLWithPath: path))
        handle = try #require(FileHandle(forWritingAtPath: path))
    }

    func remove(_ suffix: String) throws { try FileManager.default.removeItem(atPath: path + "." + suffix) }

    func cut() throws {
        try handle.truncate(atOffset: 0)
        try handle.seek(toOffset: 0)
    }
}

/// A follower that an expectation may change.
private final class Reader {
    private var follower: LogFollower

    init(_ path: String, from sequence: UInt64) { follower = LogFollower(path, from: sequence) }

    func numbers() throws -> [Int] { try follower.read().map { Int($0.sequence) } }
}

@Suite struct LogFollowerTests {

    @Test func readsFromANumberOnAndWhatComesLater() throws {
        let log = try HandLog()
        log.write(1...5)
        let follower = Reader(log.path, from: 3)
        #expect(try follower.numbers() == [3, 4, 5])
        #expect(try follower.numbers() == [])
        log.write(6...7)
        #expect(try follower.numbers() == [6, 7])
    }

    @Test func aLineIsGivenWhenItIsWhole() throws {
        let log = try HandLog()
        let follower = Reader(log.path, from: 1)
        log.writePiece("{\"v\":1,\"seq\":1,")
        #expect(try follower.numbers() == [])
        log.writePiece("\"type\":\"end\"}\n")
        #expect(try follower.numbers() == [1])
    }

    @Test func goesThroughFilesThatLogrotateDated() throws {
        let log = try HandLog()
        log.write(1...4)
        try log.rotate(to: "20260131", mark: "-")
        log.write(5...6)
        #expect(try Reader(log.path, from: 3).numbers() == [3, 4, 5, 6])
    }

    @Test func goesThroughOldFilesInOrderAndOverRotations() throws {
        let log = try HandLog()
        log.write(1...4)
        try log.rotate(to: "000000000001")
        log.write(5...6)
        let follower = Reader(log.path, from: 1)
        #expect(try follower.numbers() == [1, 2, 3, 4, 5, 6])
        log.write(7...7)
        try log.rotate(to: "000000000005")
        log.write(8...9)
        #expect(try follower.numbers() == [7, 8, 9])
        try log.rotate(to: "1")
        #expect(try follower.numbers() == [])
        log.write(10...10)
        #expect(try follower.numbers() == [10])
    }

    @Test func goesOnWithWhatIsLeftWhenOldFilesAreGone() throws {
        let log = try HandLog()
        log.write(1...4)
        try log.rotate(to: "000000000001")
        log.write(5...6)
        try log.remove("000000000001")
        let follower = Reader(log.path, from: 2)
        #expect(try follower.numbers() == [5, 6])
    }

    @Test(arguments: [(4, 5...5, [5]), (9, 8...11, [10, 11])])
    func aLogThatIsCutGoesOnAndIsNotReadTwice(count: Int, after: ClosedRange<Int>, read: [Int]) throws {
        let log = try HandLog()
        log.write(1...count)
        let follower = Reader(log.path, from: 1)
        #expect(try follower.numbers().count == count)
        try log.cut()
        #expect(try follower.numbers() == [])
        log.write(after)
        #expect(try follower.numbers() == read)
    }

    @Test func aLogThatBeginsAnewIsReadFromItsFirstLine() throws {
        let log = try HandLog()
        log.write(1...9)
        let follower = Reader(log.path, from: 1)
        #expect(try follower.numbers().count == 9)
        try log.cut()
        #expect(try follower.numbers() == [])
        log.write(1...3)
        #expect(try follower.numbers() == [1, 2, 3])
        // A file in its place.
        try log.rotate(to: "old")
        try log.remove("old")
        log.write(1...2)
        #expect(try follower.numbers() == [1, 2])
    }

    @Test func waitsForALogThatIsNotThere() throws {
        let log = try HandLog()
        #expect(try Reader(log.path + "-nowhere/a.jsonl", from: 1).numbers() == [])
        let directory = log.path + "l"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        #expect(try Reader(directory, from: 1).numbers() == [])
    }

    @Test func knowsWhereALogEnds() throws {
        let log = try HandLog()
        #expect(LogFollower.end(of: log.path) == 1)
        log.write(1...300)
        #expect(LogFollower.end(of: log.path) == 301)
        #expect(LogFollower.end(of: log.path + ".nowhere") == 1)
    }
}
