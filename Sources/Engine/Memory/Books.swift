internal import Glibc

/// The parts of the network that costs are listed by.
public enum Module: Int, CaseIterable, Sendable {
    case backbone, tower, pixelDecoder, decoder, classHead, maskHead, boxHead, poseHead, maskProduct, proposals, people

    /// As it stands in tables.
    public var title: String {
        switch self {
        case .backbone: "backbone"
        case .tower: "tower"
        case .pixelDecoder: "pixel decoder"
        case .decoder: "transformer decoder"
        case .classHead: "class head"
        case .maskHead: "mask head"
        case .boxHead: "box head"
        case .poseHead: "pose head"
        case .maskProduct: "mask product"
        case .proposals: "proposals"
        case .people: "people"
        }
    }
}

/// What a pass cost, by module.
struct Books {
    private(set) var module = Module.backbone
    /// Multiply-accumulates of the network's definition: convolutions, linear layers, matrix products.
    private(set) var macs = [Int](repeating: 0, count: Module.allCases.count)
    /// Multiply-accumulates of deformable sampling, by definition.
    private(set) var sampling = [Int](repeating: 0, count: Module.allCases.count)
    /// Seconds by layer while `isTiming`, in the order in which layers first ran: of this pass, and of the best one.
    private(set) var layers: [(name: String, seconds: Double, least: Double)] = []
    var isTiming = false
    /// What costs now is in the books already, or does not belong there.
    var isPaused = false
    private var since = 0.0

    mutating func count(macs count: Int) { if !isPaused { macs[module.rawValue] += count } }
    mutating func count(sampling count: Int) { if !isPaused { sampling[module.rawValue] += count } }

    /// What follows belongs to `next`.
    mutating func enter(_ next: Module) {
        mark("other")
        module = next
    }

    /// What ran since the last mark was `layer`.
    mutating func mark(_ layer: @autoclosure () -> String) {
        guard isTiming else { return }
        let now = Self.now()
        let name = "\(module.title): \(layer())"
        if let place = layers.firstIndex(where: { $0.name == name }) {
            layers[place].seconds += now - since
        } else {
            layers.append((name, now - since, .infinity))
        }
        since = Self.now()
    }

    /// Starts a pass: nothing counted yet.
    mutating func reset() {
        module = .backbone
        for i in macs.indices { (macs[i], sampling[i]) = (0, 0) }
        if isTiming { since = Self.now() }
    }

    /// Ends a pass.
    mutating func close() {
        guard isTiming else { return }
        mark("other")
        for i in layers.indices {
            layers[i].least = min(layers[i].least, layers[i].seconds)
            layers[i].seconds = 0
        }
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
