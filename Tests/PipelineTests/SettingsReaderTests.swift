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
        #expect(problems("inner: {longName: 3}", defaults: Sample()).first?.contains("did you mean 'long_name'?") == true)
    }

    @Test func everythingThatIsWrongIsToldAtOnce() {
        let yaml = "mode: tpc\nflag: maybe\ninner:\n  long_name: 1.5\n  ratio: much\nlist: 3\nurl: [a]\n"
        #expect(
            problems(yaml, defaults: Sample()) == [
                "f.yaml:1: mode: found 'tpc'; allowed: tcp, udp",
                "f.yaml:2: flag: found 'maybe'; allowed: true or false",
                "f.yaml:4: inner.long_name: found '1.5'; allowed: a whole number",
                "f.yaml:5: inner.ratio: found 'much'; allowed: a number",
                "f.yaml:6: list: found '3'; allowed: a list",
                "f.yaml:7: url: found a list; allowed: text",
            ])
    }

    @Test func listElementsAreNamedByTheirPlace() {
        let text = problems("list:\n- {long_name: 1, ratio: 1}\n- {long_name: 1, ratio: x}\n", defaults: Sample())
        #expect(text.first?.hasPrefix("f.yaml:3: list.1.ratio: found 'x'") == true)
    }

    @Test func brokenYAMLIsToldByItsLine() {
        #expect(problems("a: [1, 2\nb: 3\n", defaults: Sample()).first?.hasPrefix("f.yaml:2:") == true)
        #expect(problems("url: a\nurl: b\n", defaults: Sample()).first?.hasPrefix("f.yaml:") == true)
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
