import Dispatch
import Scene
import Synchronization
import Testing

@testable import Pipeline

@Suite struct MailboxTests {
    @Test func latestKeepsTheNewestAndGivesBackTheDropped() {
        let mailbox = Mailbox(.latest)
        #expect(mailbox.put(sampleFrame(0)) == nil)
        #expect(mailbox.put(sampleFrame(1))?.index == 0)
        #expect(mailbox.put(sampleFrame(2))?.index == 1)
        #expect(mailbox.take()?.index == 2)
        #expect(mailbox.take() == nil)
    }

    @Test func everyHoldsTheReaderUntilAFrameIsFinished() {
        let mailbox = Mailbox(.every(capacity: 2))
        for i in 0..<2 { _ = mailbox.put(sampleFrame(i)) }
        let passed = DispatchSemaphore(value: 0)
        DispatchQueue.global().async {
            _ = mailbox.put(sampleFrame(2))
            passed.signal()
        }
        #expect(passed.wait(timeout: .now() + 0.1) == .timedOut)
        #expect(mailbox.take()?.index == 0)
        mailbox.finished()
        #expect(passed.wait(timeout: .now() + 10) == .success)
        #expect(mailbox.take()?.index == 1)
        #expect(mailbox.take()?.index == 2)
    }

    @Test func closingFreesTheReaderAndTakesNothingMore() {
        let mailbox = Mailbox(.every(capacity: 1))
        _ = mailbox.put(sampleFrame(0))
        let passed = DispatchSemaphore(value: 0)
        DispatchQueue.global().async {
            #expect(mailbox.put(sampleFrame(1))?.index == 1)
            passed.signal()
        }
        mailbox.close()
        #expect(passed.wait(timeout: .now() + 10) == .success)
        #expect(mailbox.take() == nil)
    }
}

@Suite struct EngineWorkersTests {
    @Test(arguments: [1, 2, 4])
    func answersComeInTheOrderOfTheFramesForAnyNumberOfWorkers(workers: Int) {
        // Every worker has its own rhythm, so that answers are ready out of order.
        let made = Atomic(0)
        let engine = EngineWorkers(count: workers) {
            let number = made.add(1, ordering: .relaxed).newValue
            return { frame in
                busy(microseconds: (frame.index * 7919 + number * 131) % 400)
                return [Person(box: Box(x0: 0, y0: 0, x1: 1, y1: 1), score: Float(frame.index))]
            }
        }
        let collected = Collected<Int>()
        let done = DispatchGroup()
        let seat = engine.seat(Mailbox(.every(capacity: 6)), on: DispatchQueue(label: "test")) { answer in
            #expect(answer.people[0].score == Float(answer.frame.index))
            collected.append(answer.frame.index)
            done.leave()
        }
        for i in 0..<300 {
            done.enter()
            #expect(engine.submit(sampleFrame(i), at: seat) == nil)
        }
        #expect(done.wait(timeout: .now() + 30) == .success)
        #expect(collected.all == Array(0..<300))
    }

    @Test func aBusyCameraCannotTakeAQuietOnesShare() {
        let gate = DispatchSemaphore(value: 0)
        let entered = DispatchSemaphore(value: 0)
        let served = Collected<String>()
        let engine = EngineWorkers(count: 1) {
            { frame in
                entered.signal()
                gate.wait()
                served.append(frame.camera.name)
                return []
            }
        }
        let done = DispatchGroup()
        func seat(_ name: String, waiting: Int) {
            let seat = engine.seat(Mailbox(.every(capacity: 16)), on: DispatchQueue(label: name)) { _ in done.leave() }
            for i in 0..<waiting {
                done.enter()
                _ = engine.submit(sampleFrame(i, camera: name), at: seat)
                // The worker is in the very first frame before anything else is put.
                if name == "busy", i == 0 { entered.wait() }
            }
        }
        seat("busy", waiting: 8)
        seat("quiet", waiting: 2)
        seat("other", waiting: 2)
        for _ in 0..<12 { gate.signal() }
        #expect(done.wait(timeout: .now() + 30) == .success)
        // The first frame was taken before the others came; then each has its turn while it has something.
        #expect(Array(served.all.prefix(7)) == ["busy", "busy", "quiet", "other", "busy", "quiet", "other"])
    }

    @Test func aCameraWhoseAnswersAreNotTakenStopsAskingForMore() {
        let stuck = DispatchQueue(label: "stuck")
        stuck.suspend()
        let calls = Atomic(0)
        let ran = DispatchSemaphore(value: 0)
        let engine = EngineWorkers(count: 1) {
            { _ in
                calls.add(1, ordering: .relaxed)
                ran.signal()
                return []
            }
        }
        let last = DispatchSemaphore(value: 0)
        let seat = engine.seat(Mailbox(.latest), on: stuck) { answer in if answer.frame.index == 99 { last.signal() } }
        for i in 0..<100 {
            _ = engine.submit(sampleFrame(i), at: seat)
            if i < 4 { ran.wait() }
        }
        engine.drain()
        #expect(calls.load(ordering: .relaxed) == 4)
        stuck.resume()
        #expect(last.wait(timeout: .now() + 10) == .success)
    }
}

/// Keeps the processor for a while: a sleep would be rounded up.
private func busy(microseconds: Int) {
    let end = DispatchTime.now().uptimeNanoseconds + UInt64(microseconds) * 1000
    while DispatchTime.now().uptimeNanoseconds < end {}
}
