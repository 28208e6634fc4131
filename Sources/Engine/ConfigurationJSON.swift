internal import FoundationEssentials
internal import Scene

/// A value of JSON whose kind is not known beforehand.
enum JSONValue: Decodable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Swift.Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    /// As it would stand in the file.
    var text: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .number(let value): numberText(value)
        case .string(let value): "\"\(value)\""
        case .array(let values): "[" + values.map(\.text).joined(separator: ", ") + "]"
        case .object: "an object"
        }
    }
}

/// Whole numbers without a point.
private func numberText(_ value: Double) -> String {
    if let whole = Int(exactly: value) { return "\(whole)" }
    return "\(value)"
}

extension NetworkConfiguration {
    /// A field: its name in JSON, how its value is read, how it is written.
    private struct Field {
        let name: String
        let read: (inout NetworkConfiguration, JSONValue, String) throws(EngineError) -> Void
        let write: (NetworkConfiguration) -> String
    }

    private static func whole(
        _ name: String, _ path: WritableKeyPath<Self, Int>, from least: Int, to most: Int = 65_536
    ) -> Field {
        Field(name: name) { (configuration, value, name) throws(EngineError) in
            guard case .number(let number) = value, let whole = Int(exactly: number), whole >= least, whole <= most
            else {
                throw .wrongField(name: name, found: value.text, expected: "a whole number from \(least) to \(most)")
            }
            configuration[keyPath: path] = whole
        } write: {
            "\($0[keyPath: path])"
        }
    }

    private static func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, _ path: WritableKeyPath<Self, Choice>
    ) -> Field where Choice.RawValue == String {
        Field(name: name) { (configuration, value, name) throws(EngineError) in
            guard case .string(let text) = value, let choice = Choice(rawValue: text) else {
                let allowed = Choice.allCases.map(\.rawValue).joined(separator: ", ")
                throw .wrongField(name: name, found: value.text, expected: "one of \(allowed)")
            }
            configuration[keyPath: path] = choice
        } write: {
            "\"\($0[keyPath: path].rawValue)\""
        }
    }

    private static func colour(_ name: String, _ path: WritableKeyPath<Self, [Float]>, above least: Float) -> Field {
        Field(name: name) { (configuration, value, name) throws(EngineError) in
            var numbers: [Float] = []
            if case .array(let values) = value {
                for case .number(let number) in values { numbers.append(Float(number)) }
                if values.count != 3 { numbers = [] }
            }
            guard numbers.count == 3, numbers.allSatisfy({ $0.isFinite && $0 > least }) else {
                let bound = least == 0 ? " above 0" : ""
                throw .wrongField(name: name, found: value.text, expected: "a list of 3 numbers\(bound)")
            }
            configuration[keyPath: path] = numbers
        } write: {
            "[" + $0[keyPath: path].map { "\($0)" }.joined(separator: ", ") + "]"
        }
    }

    private static func share(
        _ name: String, _ path: WritableKeyPath<Self, Float>, in range: ClosedRange<Float>, _ expected: String
    ) -> Field {
        Field(name: name) { (configuration, value, name) throws(EngineError) in
            guard case .number(let number) = value, range.contains(Float(number)) else {
                throw .wrongField(name: name, found: value.text, expected: expected)
            }
            configuration[keyPath: path] = Float(number)
        } write: {
            "\($0[keyPath: path])"
        }
    }

    private static var fields: [Field] {
        [
            choice("backbone", \.backbone), whole("swin_window", \.swinWindow, from: 1, to: 1024),
            whole("hidden_dim", \.hiddenDim, from: 1, to: 4096), whole("queries", \.queries, from: 1, to: 16_384),
            whole("joints", \.joints, from: 1, to: 1024), whole("heads", \.heads, from: 1),
            whole("points", \.points, from: 1, to: 1024), whole("encoder_layers", \.encoderLayers, from: 0, to: 1024),
            whole("encoder_ffn", \.encoderFFN, from: 1), whole("encoder_points", \.encoderPoints, from: 1, to: 1024),
            whole("decoder_layers", \.decoderLayers, from: 0, to: 1024), whole("decoder_ffn", \.decoderFFN, from: 1),
            whole("sine_dim", \.sineDim, from: 1, to: 4096), choice("variant", \.variant),
            choice("head_condition", \.headCondition), choice("keypoint_space", \.keypointSpace),
            share("canonical_margin", \.canonicalMargin, in: 0...100, "a number from 0 to 100"),
            choice("query_start", \.queryStart),
            share("proposal_nms", \.proposalNMS, in: Float.leastNormalMagnitude...1, "a number above 0 and at most 1"),
            whole("joint_grid", \.jointGrid, from: 0, to: 256), whole("joint_owner", \.jointOwner, from: 0, to: 1),
            choice("tower", \.tower),
            whole("mask_in_box", \.maskInBox, from: 0, to: 1),
            choice("output_conv", \.outputConvolution),
            whole("output_layers", \.outputLayers, from: 1, to: 64),
            colour("image_mean", \.imageMean, above: -.infinity),
            colour("image_std", \.imageStd, above: 0),
        ]
    }

    /// Reads a JSON object.
    /// - Throws: when it is none, has an unknown field, or describes a network that cannot be.
    public init(json: String) throws(EngineError) {
        self.init()
        let value: JSONValue
        do {
            value = try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8).endedJSON)
        } catch {
            throw .notJSON(reason: "the text cannot be parsed")
        }
        guard case .object(let values) = value else { throw .notJSON(reason: "found \(value.text)") }
        let fields = Self.fields
        for name in values.keys.sorted() where !fields.contains(where: { $0.name == name }) {
            throw .unknownField(name: name, nearest: Self.nearest(to: name, of: fields.map(\.name)))
        }
        for field in fields {
            if let value = values[field.name] { try field.read(&self, value, field.name) }
        }
        if values["swin_window"] == nil { swinWindow = backbone == .swinB ? 12 : 7 }
        try refuseImpossible()
    }

    /// Every field, as one line of JSON.
    public var json: String {
        "{" + Self.fields.map { "\"\($0.name)\": \($0.write(self))" }.joined(separator: ", ") + "}"
    }

    private func refuseImpossible() throws(EngineError) {
        if hiddenDim % 32 != 0 {
            throw .wrongField(name: "hidden_dim", found: "\(hiddenDim)", expected: "a multiple of 32 (GroupNorm)")
        }
        if hiddenDim % heads != 0 {
            throw .wrongField(name: "heads", found: "\(heads)", expected: "a divisor of hidden_dim \(hiddenDim)")
        }
        if points % 2 != 0 || heads * points / 2 != joints - 1 {
            throw .wrongField(
                name: "points", found: "\(points)",
                expected:
                    "an even number with heads x points / 2 = joints - 1, that is \(heads) x points / 2 = \(joints - 1)"
            )
        }
        if queryStart == .proposals && (backbone != .esnetPAN || !poseInKeys || keypointSpace == .image) {
            throw .wrongField(
                name: "query_start", found: "\"proposals\"",
                expected:
                    "\"learned\" unless backbone is \"esnet_pan\", K holds the joints and keypoint_space is \"canonical\""
            )
        }
        if jointGrid > 0 && queryStart != .proposals {
            throw .wrongField(
                name: "joint_grid", found: "\(jointGrid)", expected: "0 unless query_start is \"proposals\"")
        }
        if jointOwner > 0 && jointGrid == 0 {
            throw .wrongField(name: "joint_owner", found: "\(jointOwner)", expected: "0 unless joint_grid is above 0")
        }
        if outputConvolution == .dense && outputLayers != 1 {
            throw .wrongField(name: "output_layers", found: "\(outputLayers)", expected: "1 with output_conv \"dense\"")
        }
        if keypointSpace == .image && headCondition != .canonical {
            throw .wrongField(
                name: "head_condition", found: "\"\(headCondition.rawValue)\"",
                expected: "\"canonical\" when keypoint_space is \"image\"")
        }
    }

    /// The known name that takes the fewest edits, when that is fewer than half its letters.
    private static func nearest(to name: String, of known: [String]) -> String? {
        let best = known.map { ($0, edits(Array(name.utf8), Array($0.utf8))) }.min { $0.1 < $1.1 }
        guard let best, best.1 * 2 <= best.0.utf8.count else { return nil }
        return best.0
    }

    private static func edits(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for i in a.indices {
            var diagonal = row[0]
            row[0] = i + 1
            for j in b.indices {
                let replaced = diagonal + (a[i] == b[j] ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, diagonal + 1, row[j] + 1)
            }
        }
        return row[b.count]
    }
}
