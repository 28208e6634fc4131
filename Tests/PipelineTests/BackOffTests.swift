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
        #expect(reports.due(now: 20) == ["fourth"])
    }

    @Test func aLineIsSaidAtMostOncePerInterval() {
        var reports = RepeatedReports(interval: 10)
        let said = (0..<1000).filter { reports.note("x", "e\($0)", now: Double($0) / 10) != nil }
        #expect(said.count == 10)
    }
}
