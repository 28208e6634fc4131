internal import Foundation
internal import Scene
internal import Testing

@testable internal import Events

/// The posture of single frames on labelled joints of real people: COCO's everyday people and LSPET's athletes.
///
/// `Tests/Fixtures/postures.json` names the annotations and what a person saw in the pictures: one of the postures;
/// `other` for what is none of them (jumps, riding, handstands); `not_lying` where only that was looked at, among people
/// with a level torso, and `not_hands_up` among people whose wrists are both above their shoulders.
@Suite struct LabelledPosturesTests {
    private struct Label: Decodable {
        let shard: String
        let annotation: Int
        let posture: String
    }

    @Test func saysWhatAPersonSees() throws {
        let text = try Data(contentsOf: JSONSchema.root.appending(path: "Tests/Fixtures/postures.json"))
        let labels = try JSONDecoder().decode([Label].self, from: text)
        var table: [String: [String: Int]] = [:]
        for (shard, labels) in Dictionary(grouping: labels, by: \.shard).sorted(by: { $0.key < $1.key }) {
            guard let people = try LabelledPeople.read(shard) else { return }
            for label in labels {
                let labelled = try #require(people[label.annotation])
                let said = PostureRule.posture(of: labelled.person, jointConfidence: 0.5, aspect: labelled.aspect)
                table[label.posture, default: [:]][said?.rawValue ?? "nothing", default: 0] += 1
            }
        }
        for (label, said) in table.sorted(by: { $0.key < $1.key }) {
            let row = said.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            print("postures on labelled joints: seen as \(label): said \(row)")
        }
        func count(_ label: String, _ said: String) -> Int { table[label]?[said] ?? 0 }
        func total(_ label: String) -> Int { table[label]?.values.reduce(0, +) ?? 0 }
        let (everyone, lying) = (table.keys.filter { $0 != "lying" }, total("lying"))
        #expect(count("lying", "lying") * 5 >= 2 * lying, "most who lie are seen from where the joints do not tell")
        #expect(count("upright", "upright") * 10 >= 9 * total("upright"))
        #expect(count("sitting", "sitting") * 12 >= 7 * total("sitting"))
        #expect(count("hands_up", "hands_up") * 3 >= 2 * total("hands_up"))
        #expect(count("not_hands_up", "hands_up") == 0)
        #expect(["upright", "sitting", "crouched", "hands_up"].allSatisfy { count($0, "lying") == 0 })
        // People in the air, level: nothing in one frame tells them from people who lie.
        #expect(everyone.reduce(0) { $0 + count($1, "lying") } <= 3)
        #expect(count("upright", "sitting") + count("upright", "crouched") <= 2)
    }
}
