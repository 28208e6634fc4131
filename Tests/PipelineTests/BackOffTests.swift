import Testing

@testable import Pipeline

@Suite struct BackOffTests {
    @Test func waitsLongerWithEveryFailureAndNeverGivesUp() {
        var backOff = BackOff()
        let waits = (0..<8).map { _ in backOff.failed(after: 0, chance: 0) }
        #expect(waits == [1, 2, 5, 10, 30, 30, 30, 30])
    }

    @Test func chanceShortensTheWaitByAQuarterAtMost() {
        var backOff = BackOff()
        #expect(backOff.failed(after: 0, chance: 1) == 0.75)
        #expect(backOff.failed(after: 0, chance: 0.5) == 1.75)
    }

    @Test func sixtyGoodSecondsForgiveEverything() {
        var backOff = BackOff()
        for _ in 0..<5 { _ = backOff.failed(after: 0, chance: 0) }
        #expect(backOff.failed(after: 59.9, chance: 0) == 30)
        #expect(backOff.failed(after: 60, chance: 0) == 1)
        #expect(backOff.failures == 1)
    }
}

@Suite struct RepeatedReportsTests {
    @Test func theFirstIsSaidAndABurstIsCounted() {
        var reports = RepeatedReports(interval: 10)
        #expect(reports.note("read", "first", now: 0) == "first")
        #expect(reports.note("read", "second", now: 1) == nil)
        #expect(reports.note("other", "elsewhere", now: 1) == "elsewhere")
        #expect(reports.note("read", "third", now: 9.9) == nil)
        #expect(reports.due(now: 9.9) == [])
        #expect(reports.due(now: 10) == ["2 times in 10 s, the last: third"])
        #expect(reports.note("read", "fourth", now: 12) == nil)
        #expect(reports.due(now: 29.9) == [])
        #expect(reports.due(now: 30) == ["fourth"])
    }

    @Test func whatGoesOnForLongIsSaidMoreAndMoreSeldom() {
        var reports = RepeatedReports(interval: 10)
        let said = (0..<100_000).filter { reports.note("x", "e", now: Double($0)) != nil }
        #expect(said.prefix(5) == [0, 10, 30, 70, 150])
        #expect(zip(said, said.dropFirst()).suffix(3).allSatisfy { $1 - $0 == 3600 })
    }

    @Test func whatWasQuietForAsLongIsSaidAtOnceAgain() {
        var reports = RepeatedReports(interval: 10)
        for second in 0..<25 { _ = reports.note("x", "e", now: Double(second)) }
        #expect(reports.due(now: 30).count == 1)
        #expect(reports.due(now: 69).isEmpty)
        #expect(reports.due(now: 70).isEmpty)
        #expect(reports.note("x", "again", now: 71) == "again")
    }
}
