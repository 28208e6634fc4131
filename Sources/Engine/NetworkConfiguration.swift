/// Every size and choice of one network, as the weight file carries it; absent fields have the paper's values.
public struct NetworkConfiguration: Equatable, Sendable {
    public enum Backbone: String, CaseIterable, Sendable {
        case resnet18, resnet34, resnet50, resnet101, resnet152
        case swinT = "swin_t"
        case swinS = "swin_s"
        case swinB = "swin_b"
        /// The compact network's: ESNet 0.75 with a CSP-PAN neck.
        case esnetPAN = "esnet_pan"
    }

    /// The paper's ablations (table 1).
    public enum Variant: String, CaseIterable, Sendable {
        case hcqnet
        case alpha = "hcqnet-alpha"
        case beta = "hcqnet-beta"
        case basenetDPS = "basenet-dps"
        case basenetDS = "basenet-ds"
    }

    /// What stands for K in the input of the mask and box heads (table 2).
    public enum HeadCondition: String, CaseIterable, Sendable {
        case canonical, image, embedding
    }

    /// Where the pose part of K lives (table 6).
    public enum KeypointSpace: String, CaseIterable, Sendable {
        case canonical, image
    }

    /// Where the queries come from.
    public enum QueryStart: String, CaseIterable, Sendable {
        /// Learned values.
        case learned
        /// The best boxes of a dense head on the backbone's pyramid.
        case proposals
    }

    /// A second, fine-grained backbone beside the first.
    public enum Tower: String, CaseIterable, Sendable {
        case none = ""
        case liteHRNet = "lite_hrnet"
    }

    /// The pixel decoder's convolution at stride 4.
    public enum OutputConvolution: String, CaseIterable, Sendable {
        /// 3x3.
        case dense
        /// Depthwise 3x3, then 1x1.
        case separable
    }

    public var backbone = Backbone.resnet50
    /// Side of Swin's windows in tokens.
    public var swinWindow = 7
    /// D: channels of every token and query.
    public var hiddenDim = 256
    /// Q.
    public var queries = 100
    public var joints = 17
    public var heads = 8
    /// Sampling points of the decoder's cross-attention per head and level.
    public var points = 4
    public var encoderLayers = 6
    public var encoderFFN = 1024
    public var encoderPoints = 4
    public var decoderLayers = 8
    public var decoderFFN = 2048
    /// D': numbers that every scalar of K becomes.
    public var sineDim = 8
    public var variant = Variant.hcqnet
    public var headCondition = HeadCondition.canonical
    public var keypointSpace = KeypointSpace.canonical
    /// How far canonical joints reach beyond the box, as a share of its sides.
    public var canonicalMargin: Float = 0
    public var queryStart = QueryStart.learned
    /// Intersection over union above which a proposal gives way to a better one.
    public var proposalNMS: Float = 0.7
    /// n x n points of every proposed box at which joint maps give the queries' first joints; 0 for none.
    public var jointGrid = 0
    /// 1: beside the joint maps, the box of whoever is seen at each cell, which keeps neighbours' joints apart.
    public var jointOwner = 0
    /// What feeds the pixel decoder beside the backbone.
    public var tower = Tower.none
    /// 1: a mask ends at its box; 0: it may be anywhere.
    public var maskInBox = 0
    public var outputConvolution = OutputConvolution.dense
    /// How many of them; more than 1 only when separable.
    public var outputLayers = 1
    /// Of red, green and blue in 0...1.
    public var imageMean: [Float] = [0.485, 0.456, 0.406]
    public var imageStd: [Float] = [0.229, 0.224, 0.225]

    /// The paper's model with ResNet-50.
    public init() {}

    // MARK: what follows from the variant

    /// Channels of the joint maps: one for every joint, and four for the sides of the owner's box.
    var jointChannels: Int { joints + 4 * jointOwner }
    /// Whether the network predicts joints at all.
    var hasPose: Bool { variant != .basenetDS }
    /// Whether K holds the joints; else only the two corners.
    var poseInKeys: Bool { variant == .hcqnet || variant == .alpha || variant == .beta }
    /// Whether the heads read K beside E'.
    var keysInHeads: Bool { variant == .hcqnet || variant == .beta }
    /// How many of `points` are joints; the rest are box centre + offset.
    var jointPoints: Int { variant == .hcqnet ? points / 2 : 0 }
    /// Numbers in K.
    var keyDim: Int { poseInKeys ? 2 * (2 + joints) : 4 }
    /// Numbers in the output `keypoints`: the corners and every joint that is predicted.
    var outputKeyDim: Int { hasPose ? 2 * (2 + joints) : 4 }
    /// Numbers that the mask and box heads read beside E'.
    var conditionDim: Int {
        guard keysInHeads else { return 0 }
        return headCondition == .embedding ? hiddenDim : keyDim
    }
}
