/// Maps at strides 4, 8, 16, 32, in this order.
struct Pyramid: Sendable {
    let stride4: FeatureMap
    let stride8: FeatureMap
    let stride16: FeatureMap
    let stride32: FeatureMap

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

    init(_ weights: Weights, _ configuration: NetworkConfiguration) throws(EngineError) {
        if configuration.backbone.isSwin {
            self = .swin(try Swin(weights, configuration.backbone, window: configuration.swinWindow))
        } else {
            self = .resnet(try ResNet(weights, configuration.backbone))
        }
    }

    /// Of the maps at strides 4, 8, 16, 32.
    var channels: [Int] {
        switch self {
        case .resnet(let network): network.channels
        case .swin(let network): network.channels
        }
    }

    /// - Parameters:
    ///   - image: `[height][width][3]`, normalised.
    /// - Returns: maps that live until the caller's scope ends.
    func callAsFunction(_ image: FeatureMap, using pass: Pass) -> Pyramid {
        let (height, width, channels) = (image.height, image.width, channels)
        let maps = Pyramid(
            stride4: pass.map(height / 4, width / 4, channels[0]), stride8: pass.map(height / 8, width / 8, channels[1]),
            stride16: pass.map(height / 16, width / 16, channels[2]),
            stride32: pass.map(height / 32, width / 32, channels[3]))
        switch self {
        case .resnet(let network): network(image, into: maps, using: pass)
        case .swin(let network): network(image, into: maps, using: pass)
        }
        return maps
    }
}
