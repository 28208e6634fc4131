import Scene

/// Decides who stands in front of whom, and how much of each person that leaves to be seen.
///
/// Of two people whose boxes overlap, the one whose feet are lower in the picture is nearer. The hidden share is the part
/// of the box that masks of nearer people cover without it being the person's own mask: if the hidden part of a box is as
/// full as the rest, that is the hidden part of the person. Without masks the nearer box itself covers.
func orderByDepth(_ tracklets: inout [Tracklet]) {
    for i in tracklets.indices where tracklets[i].isConfirmed {
        let box = tracklets[i].box
        var visible: Float = 1
        var (front, frontShare): (UInt64?, Float) = (nil, 0.1)
        for j in tracklets.indices where j != i && tracklets[j].isSeen {
            let other = tracklets[j]
            guard let ordinal = other.ordinal, other.box.y1 > box.y1, box.intersection(other.box) > 0 else { continue }
            let share = hiddenShare(of: tracklets[i], behind: other)
            visible *= 1 - share
            if share > frontShare { (front, frontShare) = (ordinal, share) }
        }
        tracklets[i].visible = visible
        tracklets[i].occludedBy = front
    }
}

/// The share of a person's box that a nearer person covers, 0...1.
private func hiddenShare(of tracklet: Tracklet, behind front: Tracklet) -> Float {
    let box = tracklet.box
    guard let mask = front.detection.silhouette else { return min(1, box.intersection(front.box) / box.area) }
    let own = tracklet.isSeen ? tracklet.detection.silhouette : nil
    return min(1, Float(mask.area(inside: box, outside: own)) / Float(max(1, mask.pixels(of: box))))
}
