internal import Scene

/// Maps at strides 4, 8, 16, 32, in this order.
struct Pyramid: Sendable {
    let stride4: FeatureMap
    let stride8: FeatureMap
    let stride16: FeatureMap
    let stride32: FeatureMap
    /// For proposals only; nil from backbones that do not make it.
    let stride64: FeatureMap?

    subscript(index: Int) -> FeatureMap {
        switch index {
        case 0: stride4
        case 1: stride8
        case 2: stride16
        default: stride32
        }
    }
}

/// What turns a picture into maps.
enum Backbone: Sendable {
    case resnet(ResNet)
    case swin(Swin)
    case esnetPAN(ESNetPAN)

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        switch configuration.backbone {
        case .swinT, .swinS, .swinB:
            self = .swin(try Swin(weights, configuration.backbone, window: configuration.swinWindow))
        case .esnetPAN: self = .esnetPAN(try ESNetPAN(weights))
        case .resnet18, .resnet34, .resnet50, .resnet101, .resnet152:
            self = .resnet(try ResNet(weights, configuration.backbone))
        }
    }

    /// Of the maps at strides 4, 8, 16, 32.
    var channels: [Int] {
        switch self {
        case .resnet(let network): network.channels
        case .swin(let network): network.channels
        case .esnetPAN(let network): network.channels
        }
    }

    /// - Parameter fill: writes the normalised picture, `[height][width][3]`.
    /// - Returns: maps that live until the caller's scope ends.
    func callAsFunction(_ size: PixelSize, using pass: Pass, fill: (FeatureMap) -> Void) -> Pyramid {
        let (height, width, channels) = (size.height, size.width, channels)
        var stride64: FeatureMap?
        if case .esnetPAN = self { stride64 = pass.map((height + 63) / 64, (width + 63) / 64, channels[3]) }
        let maps = Pyramid(
            stride4: pass.map(height / 4, width / 4, channels[0]),
            stride8: pass.map(height / 8, width / 8, channels[1]),
            stride16: pass.map(height / 16, width / 16, channels[2]),
            stride32: pass.map(height / 32, width / 32, channels[3]), stride64: stride64)
        pass.scope {
            let image = pass.map(height, width, 3)
            fill(image)
            pass.books.mark("normalised picture")
            switch self {
            case .resnet(let network): network(image, into: maps, using: pass)
            case .swin(let network): network(image, into: maps, using: pass)
            case .esnetPAN(let network):
                if let stride64 { network(image, into: maps, stride64: stride64, using: pass) }
            }
        }
        return maps
    }
}
