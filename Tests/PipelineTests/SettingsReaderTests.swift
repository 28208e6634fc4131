import Scene
import Testing

@testable import Pipeline

private struct Sample: Codable, Equatable, DefaultSettings {
    enum Mode: String, Codable, CaseIterable { case tcp, udp }
    struct Inner: Codable, Equatable {
        var longName = 2
        var ratio: Float = 0.3
        var limit: Double?
    }
    var url = "x"
    var mode = Mode.tcp
    var inner = Inner()
    var list: [Inner] = []
    var flag = false
}

private struct Named: Codable, Equatable {
    var cameras: [String: Sample] = [:]
}

private func read<T: Codable>(_ yaml: String, defaults: T) throws -> T {
    try ConfigurationFile.read(yaml, file: "f.yaml", defaults: defaults)
}

private func problems<T: Codable>(_ yaml: String, defaults: T) -> [String] {
    do {
        _ = try read(yaml, defaults: defaults)
        return []
    } catch let error as ConfigurationError {
        return error.problems.map(\.description)
    } catch {
        return ["\(error)"]
    }
}

@Suite struct SettingsReaderTests {
    @Test func emptyFileGivesTheDefaults() throws {
        #expect(try read("", defaults: Sample()) == Sample())
        #expect(try read("inner:\n", defaults: Sample()) == Sample())
        #expect(try read("# only a comment\n", defaults: Sample()) == Sample())
    }

    @Test func whatIsWrittenReplacesItsDefaultAndNothingElse() throws {
        var expected = Sample()
        expected.mode = .udp
        expected.inner.longName = 7
        expected.inner.limit = 1.5
        let yaml = "mode: udp\ninner:\n  long_name: 7\n  limit: 1.5\n"
        #expect(try read(yaml, defaults: Sample()) == expected)
    }

    @Test func namesOfTheUsersChoiceKeepTheirSpelling() throws {
        let value = try read("cameras:\n  FrontDoor: {url: a}\n  back_yard:\n    flag: yes\n", defaults: Named())
        #expect(value.cameras.keys.sorted() == ["FrontDoor", "back_yard"])
        #expect(value.cameras["FrontDoor"]?.url == "a")
        #expect(value.cameras["back_yard"]?.flag == true)
    }

    @Test func unknownKeyIsRefusedByLineAndPathWithTheNearestName() {
        let text = problems("cameras:\n  door:\n    ulr: rtsp://x\n", defaults: Named())
        #expect(
            text == [
                "f.yaml:3: cameras.door.ulr: found an unknown key; allowed: flag, inner, list, mode, url; did you mean 'url'?"
            ])
    }

    @Test func camelCaseIsNotAKey() {
        #expect(
            problems("inner: {longName: 3}", defaults: Sample()).first?.contains("did you mean 'long_name'?") == true)
    }

    @Test func everythingThatIsWrongIsToldAtOnce() {
        let yaml = "mode: tpc\nflag: maybe\ninner:\n  long_name: 1.5\n  ratio: much\nlist: 3\nurl: [a]\n"
        #expect(
            problems(yaml, defaults: Sample()) == [
                "f.yaml:1: mode: found 'tpc'; allowed: tcp, udp",
                "f.yaml:2: flag: found 'maybe'; allowed: true or false",
                "f.yaml:4: inner.long_name: found '1.5'; allowed: a whole number",
                "f.yaml:5: inner.ratio: found 'much'; allowed: a number",
                "f.yaml:6: list: found '3'; allowed: a list: [ONE, ANOTHER]",
                "f.yaml:7: url: found a list; allowed: text",
            ])
    }

    @Test func aNumberInQuotesIsText() {
        #expect(
            problems("inner: {long_name: '7'}", defaults: Sample()) == [
                "f.yaml:1: inner.long_name: found '7' in quotes, which is text; allowed: a whole number"
            ])
    }

    @Test func theRestIsReadAlsoWhereThereIsNoDefault() {
        let yaml = "list:\n- {limit: soon}\n- {long_name: x, ratio: 1, oops: 1}\n- 4\nmode: tpc\n"
        #expect(
            problems(yaml, defaults: Sample()) == [
                "f.yaml:2: list.0.long_name: found nothing; allowed: this key is required: a whole number",
                "f.yaml:2: list.0.ratio: found nothing; allowed: this key is required: a number",
                "f.yaml:2: list.0.limit: found 'soon'; allowed: a number",
                "f.yaml:3: list.1.long_name: found 'x'; allowed: a whole number",
                "f.yaml:3: list.1.oops: found an unknown key; allowed: limit, long_name, ratio",
                "f.yaml:4: list.2: found '4'; allowed: \(aGroupOfKeys)",
                "f.yaml:5: mode: found 'tpc'; allowed: tcp, udp",
            ])
    }

    @Test func mergeKeysBringInWhatIsNotThere() throws {
        let yaml = """
            cameras:
              a: &usual {mode: udp, url: first, inner: {limit: 3}}
              b: {<<: *usual, url: second}
              c:
                <<: [{flag: true, url: inline}, *usual]
                inner: {long_name: 9}
            """
        let cameras = try read(yaml, defaults: Named()).cameras
        #expect(cameras["b"]?.url == "second")
        #expect(cameras["b"]?.mode == .udp)
        #expect(cameras["b"]?.inner.limit == 3)
        #expect(cameras["c"]?.url == "inline")
        #expect(cameras["c"]?.flag == true)
        #expect(cameras["c"]?.mode == .udp)
        #expect(cameras["c"]?.inner == Sample.Inner(longName: 9))
        let wrong = "cameras:\n  a: &usual\n    ulr: x\n  b: {<<: *usual}\n"
        #expect(
            problems(wrong, defaults: Named()).map { $0.prefix(23) } == [
                "f.yaml:3: cameras.a.ulr", "f.yaml:3: cameras.b.ulr",
            ])
    }

    @Test(.timeLimit(.minutes(10))) func namesThatStandForNamesThatStandForNamesEnd() {
        var (lists, merges) = ("a0: &a0 [x]\n", "b0: &b0 {url: x}\n")
        for i in 1...40 {
            lists += "a\(i): &a\(i) [*a\(i - 1), *a\(i - 1), *a\(i - 1)]\n"
            merges += "b\(i): &b\(i) {<<: [*b\(i - 1), *b\(i - 1), *b\(i - 1)]}\n"
        }
        #expect(problems(lists, defaults: Sample()).count == 41)
        #expect(problems(merges + "inner: *b40\n", defaults: Sample()).count >= 41)
    }

    @Test func listElementsAreNamedByTheirPlace() {
        let text = problems("list:\n- {long_name: 1, ratio: 1}\n- {long_name: 1, ratio: x}\n", defaults: Sample())
        #expect(text.first?.hasPrefix("f.yaml:3: list.1.ratio: found 'x'") == true)
    }

    @Test func brokenYAMLIsToldByItsLine() {
        #expect(problems("a: [1, 2\nb: 3\n", defaults: Sample()).first?.hasPrefix("f.yaml:2:") == true)
        let open = problems("flag: true\nurl: \"a\ninner: {url: c}\n", defaults: Sample()).first ?? ""
        #expect(open.contains("begins in line 2"), "\(open)")
        #expect(
            problems("flag: true\nurl: a\ninner:\n  url: c\nurl: b\n", defaults: Sample()) == [
                "f.yaml:5: this is no YAML: the same key twice: url; keep one of them"
            ])
        #expect(problems("- a\n", defaults: Sample()) == ["f.yaml:1: found a list; allowed: \(aGroupOfKeys)"])
    }

    @Test(arguments: [("ulr", "url"), ("transprot", "transport"), ("score-treshold", "score_threshold")])
    func nearestNameIsFound(typed: String, meant: String) {
        #expect(nearestName(to: typed, among: ["url", "transport", "score_threshold", "fps"]) == meant)
    }

    @Test func nothingIsNearToNonsense() {
        #expect(nearestName(to: "zzzzzz", among: ["url", "fps"]) == nil)
    }
}

@Suite struct SecretsTests {
    @Test func namesStandForTheEnvironment() throws {
        let secrets = Secrets(environment: ["USER_X": "me", "PASS": "a/b@c"])
        #expect(try secrets.expand("rtsp://${USER_X}:${PASS}@host/1") == "rtsp://me:a%2Fb%40c@host/1")
        #expect(try secrets.expand("${PASS}") == "a/b@c")
        #expect(try secrets.expand("plain $PASS") == "plain $PASS")
        #expect(throws: Secrets.Missing(name: "NO")) { try secrets.expand("x${NO}") }
    }
}
