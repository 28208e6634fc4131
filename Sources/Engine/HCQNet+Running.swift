internal import CKernels
internal import Glibc
public import Scene

extension HCQNet {
    /// The people of a frame, best first.
    ///
    /// After the first call nothing is allocated but the result.
    /// - Parameters:
    ///   - frame: its `input` has the workspace's size.
    ///   - workspace: of this network; nobody else may use it meanwhile.
    public func callAsFunction(_ frame: Frame, using workspace: Workspace) -> [Person] {
        precondition(workspace.network === self && frame.input.size == workspace.size)
        let pass = workspace.pass
        let input = frame.input
        defer { pass.books.close() }
        return forward(workspace.size, workspace.constants, using: pass) { image in
            normalise(input, into: image, using: pass)
        } _: { output in
            workspace.extraction(
                output, workspace.people, frame: frame.size, input: workspace.size, content: input.content, using: pass)
        }
    }

    private func normalise(_ picture: NetworkPicture, into image: FeatureMap, using pass: Pass) {
        let (mean, std) = (configuration.imageMean, configuration.imageStd)
        pass.run(image.height, by: 16) { range, _ in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: 6) { numbers in
                for c in 0..<3 { (numbers[c], numbers[3 + c]) = (1 / (255 * std[c]), -mean[c] / std[c]) }
                hcq_normalise_rgb(
                    picture.pixels, image.width, picture.content.width, picture.content.height, numbers.baseAddress!,
                    numbers.baseAddress! + 3, range.lowerBound, range.upperBound, image.tokens.data)
            }
        }
    }

    /// Every output for a normalised picture, by its name in files: `class_logits` [1,Q,2], `mask_logits` [1,Q,H/4,W/4],
    /// `keypoints` [1,Q,4 + 2 joints], `joints` [1,Q,joints,2] in 0...1 of the picture, `embeddings` [1,Q,D], and
    /// `box_sigma` and `pose_sigma` where the weight file has them.
    /// - Parameters:
    ///   - image: `[3, H, W]` of the workspace's size.
    ///   - chosen: where the queries start from proposals, their positions in place of the network's own choice, `[Q]`;
    ///     those set aside as -1 - position. For comparing implementations.
    /// - Throws: when `chosen` does not fit.
    public func outputs(
        _ image: [Float], chosen: [Float]? = nil, using workspace: Workspace
    ) throws(EngineError) -> [NamedTensor] {
        let size = workspace.size
        let area = size.width * size.height
        precondition(workspace.network === self && image.count == 3 * area)
        let pass = workspace.pass
        if let chosen { try refuseWrong(chosen, size) }
        var choose: ((Tensor) -> Void)?
        if let chosen { choose = { tensor in tensor.data.update(from: chosen, count: chosen.count) } }
        return forward(size, workspace.constants, using: pass, choose: choose) { map in
            for i in 0..<area {
                for c in 0..<3 { map.tokens.data[3 * i + c] = image[c * area + i] }
            }
        } _: { output in
            named(output, using: pass)
        }
    }

    private func refuseWrong(_ chosen: [Float], _ size: PixelSize) throws(EngineError) {
        let positions = [8, 16, 32, 64].reduce(0) { $0 + ((size.width + $1 - 1) / $1) * ((size.height + $1 - 1) / $1) }
        let isRight =
            chosen.count == configuration.queries
            && chosen.allSatisfy { $0 >= Float(-positions) && $0 < Float(positions) && $0 == $0.rounded() }
        guard configuration.queryStart == .proposals, isRight else {
            throw .wrongInput(
                reason:
                    "'chosen' must hold \(configuration.queries) positions among \(positions) for a network whose queries start from proposals"
            )
        }
    }

    private func named(_ output: NetworkOutput, using pass: Pass) -> [NamedTensor] {
        let (count, joints) = (configuration.queries, output.regression.joints.columns / 2)
        func tensor(_ name: String, _ shape: [Int], _ tensor: Tensor) -> NamedTensor {
            var values: [Float] = []
            values.reserveCapacity(tensor.count)
            for r in 0..<tensor.rows { values += UnsafeBufferPointer(start: tensor.row(r), count: tensor.columns) }
            return NamedTensor(name, [1, count] + shape, values)
        }
        let positions = output.fine.tokens.rows
        let masks = [Float](unsafeUninitializedCapacity: count * positions) { buffer, filled in
            let logits = Tensor(buffer.baseAddress!, rows: count, columns: positions)
            MaskEmbeddings.multiply(output.masks.vectors, output.masks.offsets, output.fine, into: logits, using: pass)
            filled = count * positions
        }
        var tensors = [
            tensor("class_logits", [2], output.classLogits),
            NamedTensor("mask_logits", [1, count, output.fine.height, output.fine.width], masks),
            tensor("keypoints", [configuration.outputKeyDim], output.regression.keypoints),
            tensor("joints", [joints, 2], output.regression.joints),
            tensor("embeddings", [configuration.hiddenDim], output.embeddings),
        ]
        if let sigma = output.regression.boxSigma { tensors.append(tensor("box_sigma", [4], sigma)) }
        if let sigma = output.regression.poseSigma { tensors.append(tensor("pose_sigma", [2 * joints], sigma)) }
        return tensors
    }
}
