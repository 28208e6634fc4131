internal import Scene

/// Average precision and recall of detections on a COCO data set: pycocotools' `COCOeval`, figure by figure.
public struct COCOEvaluation: Sendable {
    public let task: COCOTask
    private let ranges: [COCOAreaRange]
    private let pictures: [COCOPicture]
    private let mostDetections: [Int]

    /// 0.5 to 0.95, rounded as numpy's `linspace` rounds.
    static let thresholds: [Double] = {
        let step = (0.95 - 0.5) / 9
        return (0..<9).map { (index: Int) -> Double in Double(index) * step + 0.5 } + [0.95]
    }()
    static let recalls: [Double] = (0...100).map { Double($0) * 0.01 }

    /// - Parameters:
    ///   - withoutSmall: people under 32 x 32 pixels are ignored, as in the paper's Table 4.
    ///   - images: ids of the pictures that count; nil for all.
    /// - Throws: `.unknownImage`, `.badMask`, `.badJSON`.
    public init(
        _ dataset: COCODataset, results: [COCOResult], resultsPath: String, task: COCOTask, withoutSmall: Bool = false,
        images: Set<Int>? = nil
    ) throws(EvaluationError) {
        self.task = task
        let whole: COCOAreaRange = withoutSmall ? .withoutSmall : .all
        ranges = task == .keypoints ? [whole, .medium, .large] : [whole, .small, .medium, .large]
        mostDetections = task == .keypoints ? [20] : [1, 10, 100]
        let builder = PictureBuilder(
            dataset: dataset, resultsPath: resultsPath, task: task, most: mostDetections.last ?? 100)
        pictures = try builder.pictures(results, images: images)
    }

    /// Name and value of each figure, 0...1, or -1 where nothing of the kind is in the truth; in pycocotools' order.
    public var figures: [(name: String, value: Double)] {
        let curves = ranges.map { range in
            let outcomes = Self.thresholds.map { threshold in
                pictures.map { $0.matches(threshold: threshold, range: range) }
            }
            let counted = pictures.reduce(0) { $0 + $1.countedTruths(range) }
            return mostDetections.map { Curves(pictures, outcomes, counted: counted, most: $0) }
        }
        func average(_ kind: Kind, _ range: Int = 0, most: Int? = nil, threshold: Int? = nil) -> Double {
            let curve = curves[range][most ?? mostDetections.count - 1]
            return kind == .precision ? curve.averagePrecision(threshold) : curve.averageRecall(threshold)
        }
        var figures: [(name: String, value: Double)] = []
        func addMeans(_ kind: Kind) {
            figures.append((kind.name, average(kind)))
            figures.append((kind.name + "50", average(kind, threshold: 0)))
            figures.append((kind.name + "75", average(kind, threshold: 5)))
        }
        func addSizes(_ kind: Kind) {
            for range in ranges.indices.dropFirst() {
                figures.append((kind.name + ranges[range].name, average(kind, range)))
            }
        }
        addMeans(.precision)
        addSizes(.precision)
        if task == .keypoints {
            addMeans(.recall)
        } else {
            for most in mostDetections.indices {
                figures.append(("AR\(mostDetections[most])", average(.recall, most: most)))
            }
        }
        addSizes(.recall)
        return figures
    }

    private enum Kind {
        case precision, recall

        var name: String { self == .precision ? "AP" : "AR" }
    }
}

/// Precision at every recall and the greatest recall, for every threshold; empty when no truth counts.
private struct Curves {
    private var precision: [[Double]] = []
    private var recall: [Double] = []

    /// - Parameters:
    ///   - outcomes: `[thresholds][pictures]`.
    ///   - counted: truths that count.
    init(_ pictures: [COCOPicture], _ outcomes: [[COCOPicture.Outcome]], counted: Int, most: Int) {
        guard counted > 0 else { return }
        let scores = pictures.flatMap { $0.detections.prefix(most).map(\.score) }
        let order = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
        for outcome in outcomes {
            let matched = outcome.flatMap { $0.isMatched.prefix(most) }
            let ignored = outcome.flatMap { $0.isIgnored.prefix(most) }
            add(order.lazy.filter { !ignored[$0] }.map { matched[$0] }, counted: counted)
        }
    }

    /// - Parameter hits: whether each detection that counts is matched, best score first.
    private mutating func add(_ hits: some Sequence<Bool>, counted: Int) {
        var (found, wrong) = (0.0, 0.0)
        var (recalls, precisions): ([Double], [Double]) = ([], [])
        for hit in hits {
            if hit { found += 1 } else { wrong += 1 }
            recalls.append(found / Double(counted))
            precisions.append(found / (found + wrong + Double.ulpOfOne))
        }
        for i in precisions.indices.dropFirst().reversed() where precisions[i] > precisions[i - 1] {
            precisions[i - 1] = precisions[i]
        }
        var place = 0
        precision.append(
            COCOEvaluation.recalls.map { wanted in
                while place < recalls.count && recalls[place] < wanted { place += 1 }
                return place < recalls.count ? precisions[place] : 0
            })
        recall.append(recalls.last ?? 0)
    }

    /// At one threshold or over all of them; -1 when no truth counts.
    func averagePrecision(_ threshold: Int?) -> Double {
        average(precision.enumerated().filter { threshold == nil || $0.offset == threshold }.flatMap(\.element))
    }

    func averageRecall(_ threshold: Int?) -> Double {
        average(recall.enumerated().filter { threshold == nil || $0.offset == threshold }.map(\.element))
    }

    private func average(_ values: [Double]) -> Double {
        values.isEmpty ? -1 : values.reduce(0, +) / Double(values.count)
    }
}

/// Brings truth and detections of each picture together.
private struct PictureBuilder {
    let dataset: COCODataset
    let resultsPath: String
    let task: COCOTask
    let most: Int

    func pictures(_ results: [COCOResult], images: Set<Int>?) throws(EvaluationError) -> [COCOPicture] {
        var truths: [Int: [COCOAnnotation]] = [:]
        for annotation in dataset.annotations { truths[annotation.imageID, default: []].append(annotation) }
        let known = Set(dataset.images.map(\.id))
        let source = source(results)
        var found: [Int: [Found]] = [:]
        for (index, result) in results.enumerated() {
            guard known.contains(result.image_id) else { throw .unknownImage(path: resultsPath, id: result.image_id) }
            guard result.category_id == dataset.category else { continue }
            found[result.image_id, default: []].append(Found(index: index, result: result))
        }
        var pictures: [COCOPicture] = []
        for image in dataset.images where images?.contains(image.id) ?? true {
            pictures.append(
                try picture(image, truths: truths[image.id] ?? [], found: found[image.id] ?? [], source: source))
        }
        return pictures
    }

    private struct Found {
        let index: Int
        let result: COCOResult
    }

    private enum Source { case box, mask, keypoints }

    /// pycocotools takes area and box from what the first result has, for all of them.
    private func source(_ results: [COCOResult]) -> Source {
        guard let first = results.first else { return .box }
        if let box = first.bbox, !box.isEmpty { return .box }
        if first.segmentation != nil { return .mask }
        return first.keypoints != nil || task == .keypoints ? .keypoints : .box
    }

    private func picture(
        _ image: COCOImage, truths: [COCOAnnotation], found: [Found], source: Source
    ) throws(EvaluationError) -> COCOPicture {
        let best = found.sorted {
            $0.result.score != $1.result.score ? $0.result.score > $1.result.score : $0.index < $1.index
        }.prefix(most)
        var masks: [Mask] = []
        if task == .segm || source == .mask {
            for one in best { masks.append(try mask(one, size: image.size)) }
        }
        var areas: [Double] = []
        for (i, one) in best.enumerated() {
            areas.append(try area(one, source, mask: masks.isEmpty ? nil : masks[i]))
        }
        return COCOPicture(
            truths: truths.map { truth in
                COCOPicture.Truth(
                    area: truth.area, isCrowd: truth.isCrowd,
                    isIgnored: truth.isCrowd || (task == .keypoints && truth.labelledKeypoints == 0),
                    countsAsMatch: truth.id != 0)
            },
            detections: zip(best, areas).map { COCOPicture.Detection(score: $0.result.score, area: $1) },
            similarity: try similarity(Array(best), source, masks, truths, size: image.size))
    }

    private func area(_ found: Found, _ source: Source, mask: Mask?) throws(EvaluationError) -> Double {
        if source == .mask { return Double(mask?.area ?? 0) }
        let box = try box(found, source)
        return box[2] * box[3]
    }

    /// `[detections][truths]`.
    private func similarity(
        _ found: [Found], _ source: Source, _ masks: [Mask], _ truths: [COCOAnnotation], size: PixelSize
    ) throws(EvaluationError) -> [Double] {
        var truthMasks: [Mask] = []
        if task == .segm && !found.isEmpty {
            for truth in truths {
                guard let mask = truth.segmentation?.mask(size: size), mask.size == size else {
                    throw .badMask(path: dataset.path, place: "annotation \(truth.id)", size: size)
                }
                truthMasks.append(mask)
            }
        }
        var values: [Double] = []
        for (d, one) in found.enumerated() {
            switch task {
            case .bbox:
                if let truth = truths.first(where: { !$0.hasBox }) {
                    throw .badJSON(path: dataset.path, reason: "annotation \(truth.id) has no bbox")
                }
                let box = try box(one, source)
                values += truths.map { boxOverlap(box, $0.box, isCrowd: $0.isCrowd) }
            case .segm:
                values += zip(truths, truthMasks).map { maskOverlap(masks[d], $1, isCrowd: $0.isCrowd) }
            case .keypoints:
                let joints = try keypoints(one)
                values += truths.map { keypointSimilarity(joints, $0) }
            }
        }
        return values
    }

    private func box(_ found: Found, _ source: Source) throws(EvaluationError) -> [Double] {
        if source == .keypoints {
            // Around all joints, whatever their confidence.
            let joints = try keypoints(found)
            let x = stride(from: 0, to: joints.count, by: 3).map { joints[$0] }
            let y = stride(from: 1, to: joints.count, by: 3).map { joints[$0] }
            let (left, top) = (x.min() ?? 0, y.min() ?? 0)
            return [left, top, (x.max() ?? 0) - left, (y.max() ?? 0) - top]
        }
        if let box = found.result.bbox, box.count == 4 { return box }
        if found.result.bbox == nil, let mask = found.result.segmentation?.mask(size: PixelSize(width: 0, height: 0)) {
            let (w, h) = (Double(mask.size.width), Double(mask.size.height))
            guard let box = mask.boundingBox else { return [0, 0, 0, 0] }
            return [Double(box.x0) * w, Double(box.y0) * h, Double(box.width) * w, Double(box.height) * h].map {
                $0.rounded()
            }
        }
        throw .badJSON(path: resultsPath, reason: "result \(found.index) has no bbox [x, y, width, height]")
    }

    private func keypoints(_ found: Found) throws(EvaluationError) -> [Double] {
        guard let keypoints = found.result.keypoints, keypoints.count == 51 else {
            throw .badJSON(path: resultsPath, reason: "result \(found.index) has no 51 numbers of keypoints")
        }
        return keypoints
    }

    private func mask(_ found: Found, size: PixelSize) throws(EvaluationError) -> Mask {
        // pycocotools draws the box of a result that has no outline.
        let outline = found.result.segmentation ?? found.result.bbox.map { .polygons([$0]) }
        guard let mask = outline?.mask(size: size), mask.size == size else {
            throw .badMask(path: resultsPath, place: "result \(found.index)", size: size)
        }
        return mask
    }
}
