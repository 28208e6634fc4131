internal import CKernels

/// ResNet v1.5 (He et al. 2016, arXiv:1512.03385; stride in the 3x3), BatchNorm folded. Twin: `backbones/resnet.py`.
struct ResNet: Sendable {
    let stem: Convolution
    let stages: [[ResidualBlock]]
    /// Of the maps at strides 4, 8, 16, 32.
    let channels: [Int]

    static func depths(_ backbone: NetworkConfiguration.Backbone) -> (isBottleneck: Bool, depths: [Int]) {
        switch backbone {
        case .resnet18: (false, [2, 2, 2, 2])
        case .resnet34: (false, [3, 4, 6, 3])
        case .resnet101: (true, [3, 4, 23, 3])
        case .resnet152: (true, [3, 8, 36, 3])
        default: (true, [3, 4, 6, 3])
        }
    }

    init(_ weights: Weights, _ backbone: NetworkConfiguration.Backbone) throws(EngineError) {
        let (isBottleneck, depths) = Self.depths(backbone)
        stem = try Convolution(
            weights["conv1"], inputs: 3, outputs: 64, kernel: 7, stride: 2, normalised: weights["bn1"])
        var inputs = 64
        var stages: [[ResidualBlock]] = []
        for (stage, depth) in depths.enumerated() {
            var blocks: [ResidualBlock] = []
            for i in 0..<depth {
                let block = try ResidualBlock(
                    weights["layer\(stage + 1)"][i], inputs: inputs, width: 64 << stage,
                    stride: i == 0 && stage > 0 ? 2 : 1, isBottleneck: isBottleneck)
                inputs = block.outputs
                blocks.append(block)
            }
            stages.append(blocks)
        }
        self.stages = stages
        channels = stages.map { $0[0].outputs }
    }

    /// - Parameters:
    ///   - image: `[height][width][3]`, normalised.
    ///   - maps: at strides 4, 8, 16, 32; overwritten.
    func callAsFunction(_ image: FeatureMap, into maps: Pyramid, using pass: Pass) {
        pass.scope {
            // An identity block works in place.
            let pooled = stages[0][0].shortcut == nil ? maps[0] : pass.map(image.height / 4, image.width / 4, 64)
            pass.scope {
                let wide = pass.map(image.height / 2, image.width / 2, 64)
                stem(image, into: wide, .relu, using: pass)
                pass.books.mark("stem")
                maxPool(wide, into: pooled, using: pass)
                pass.books.mark("max pooling")
            }
            var x = pooled
            for (stage, blocks) in stages.enumerated() {
                blocks[0](x, into: maps[stage], using: pass)
                for block in blocks.dropFirst() { block(maps[stage], into: maps[stage], using: pass) }
                pass.books.mark("layer\(stage + 1)")
                x = maps[stage]
            }
        }
    }
}

/// Maximum over 3x3, stride 2, padding 1.
func maxPool(_ x: FeatureMap, into y: FeatureMap, using pass: Pass) {
    pass.run(y.tokens.rows, by: 256) { range, _ in
        hcq_max_pool(
            x.tokens.data, x.height, x.width, x.channels, y.width, range.lowerBound, range.upperBound, y.tokens.data)
    }
}

/// `y = relu(branch(x) + shortcut(x))`: two 3x3 convolutions, or a bottleneck of 1x1, 3x3, 1x1.
struct ResidualBlock: Sendable {
    let convolutions: [Convolution]
    /// nil where the shortcut is the identity.
    let shortcut: Convolution?

    var outputs: Int { convolutions[convolutions.count - 1].outputs }

    init(_ weights: Weights, inputs: Int, width: Int, stride: Int, isBottleneck: Bool) throws(EngineError) {
        func convolution(
            _ i: Int, _ inputs: Int, _ outputs: Int, _ kernel: Int, _ stride: Int
        ) throws(EngineError) -> Convolution {
            try Convolution(
                weights["conv\(i)"], inputs: inputs, outputs: outputs, kernel: kernel, stride: stride,
                normalised: weights["bn\(i)"])
        }
        let outputs = isBottleneck ? 4 * width : width
        if isBottleneck {
            convolutions = [
                try convolution(1, inputs, width, 1, 1), try convolution(2, width, width, 3, stride),
                try convolution(3, width, outputs, 1, 1),
            ]
        } else {
            convolutions = [try convolution(1, inputs, width, 3, stride), try convolution(2, width, width, 3, 1)]
        }
        shortcut =
            stride == 1 && inputs == outputs
            ? nil
            : try Convolution(
                weights["downsample"][0], inputs: inputs, outputs: outputs, stride: stride, padding: 0,
                normalised: weights["downsample"][1])
    }

    /// - Parameters:
    ///   - x: `[height][width][inputs]`.
    ///   - y: `[height / stride][width / stride][outputs]`; overwritten, is `x` where the shortcut is the identity.
    func callAsFunction(_ x: FeatureMap, into y: FeatureMap, using pass: Pass) {
        precondition(shortcut != nil || x.tokens.data == y.tokens.data)
        pass.scope {
            var inner = x
            for convolution in convolutions.dropLast() {
                let (height, width) = convolution.outputSize(inner)
                let next = pass.map(height, width, convolution.outputs)
                convolution(inner, into: next, .relu, using: pass)
                inner = next
            }
            if let shortcut { shortcut(x, into: y, using: pass) }
            // Only now: the branch has read all of x, which may be y.
            convolutions[convolutions.count - 1](inner, into: y, .relu, accumulating: true, using: pass)
        }
    }
}
