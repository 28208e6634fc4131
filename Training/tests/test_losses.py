"""Matching and losses against their definitions, written out plainly."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from hcqnet import Config
from hcqnet.dense import joint_map_loss, owner_loss
from hcqnet.flow import RealNVP, rle_loss
from hcqnet.losses import OKS_SIGMAS, Criterion, Weights, paired_giou, quality_loss
from hcqnet.matching import MatchCosts, assign, dice_cost, generalized_iou, mask_bce_cost
from hcqnet.new import random_image, random_network
from hcqnet.paper_losses import PaperCriterion, PaperWeights, class_loss, pose_loss
from hcqnet.targets import Targets, target_maps

SMALL = {
    "backbone": "resnet18", "hidden_dim": 32, "queries": 6, "encoder_layers": 1, "encoder_ffn": 32,
    "decoder_layers": 2, "decoder_ffn": 32,
}  # fmt: skip


def people(n: int, seed: int, size: tuple[int, int] = (64, 96), masks: bool = True) -> Targets:
    """n people with random boxes, joints and masks."""
    g = torch.Generator().manual_seed(seed)
    corner = torch.rand(n, 2, generator=g) * 0.5
    boxes = torch.cat([corner, corner + 0.2 + 0.3 * torch.rand(n, 2, generator=g)], 1)
    return Targets(
        boxes=boxes, box_weight=torch.ones(n), joints=torch.rand(n, 17, 2, generator=g),
        joint_weight=(torch.rand(n, 17, generator=g) > 0.3).float(), area=torch.full((n,), 0.05),
        has_mask=torch.full((n,), masks), masks=(torch.rand(n, size[0] // 4, size[1] // 4, generator=g) > 0.5).float(),
        ignored=torch.zeros(0, 4), size=size,
    )  # fmt: skip


def test_assignment_is_the_cheapest_of_all() -> None:
    g = torch.Generator().manual_seed(1)
    for queries, persons in ((5, 3), (3, 3), (2, 4)):
        cost = torch.randn(queries, persons, generator=g)
        rows, columns = assign(cost)
        few, many = sorted((queries, persons))
        best = min(
            sum(cost[q, i] if queries >= persons else cost[i, q] for i, q in enumerate(order))
            for order in itertools.permutations(range(many), few)
        )
        assert len(rows) == few and math.isclose(cost[rows, columns].sum(), best, rel_tol=1e-5)


def test_mask_costs_are_their_definitions() -> None:
    g = torch.Generator().manual_seed(2)
    logits, truth = torch.randn(3, 50, generator=g), (torch.rand(2, 50, generator=g) > 0.5).float()
    bce, dice = mask_bce_cost(logits, truth), dice_cost(logits, truth)
    for q in range(3):
        for n in range(2):
            p = [1 / (1 + math.exp(-v)) for v in logits[q].tolist()]
            t = truth[n].tolist()
            expected = -sum(a * math.log(b) + (1 - a) * math.log(1 - b) for a, b in zip(t, p)) / 50
            assert math.isclose(bce[q, n], expected, rel_tol=1e-5)
            overlap = sum(a * b for a, b in zip(t, p))
            assert math.isclose(dice[q, n], 1 - (2 * overlap + 1) / (sum(p) + sum(t) + 1), rel_tol=1e-5)


def test_giou_of_apart_touching_and_equal_boxes() -> None:
    a = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    b = torch.tensor([[0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0], [3.0, 0.0, 5.0, 2.0]])
    expected = torch.tensor([1.0, 1 / 3, -2 / 10])
    assert torch.allclose(generalized_iou(a, b)[0], expected, atol=1e-6)
    assert torch.allclose(paired_giou(a.expand(3, -1), b), expected, atol=1e-6)


def test_flow_is_a_density() -> None:
    torch.manual_seed(3)
    flow = RealNVP().double()
    for p in flow.parameters():
        torch.nn.init.normal_(p, std=0.15)
    side = torch.linspace(-14, 14, 561, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    with torch.no_grad():
        mass = flow.log_prob(grid).exp().sum() * (side[1] - side[0]) ** 2
    assert abs(mass - 1) < 0.01


def test_rle_is_flow_plus_laplace() -> None:
    torch.manual_seed(4)
    flow = RealNVP()
    error, sigma = torch.randn(5, 2), torch.rand(5, 2) * 0.5 + 0.1
    found = rle_loss(error, sigma, flow)
    scaled = error / sigma
    for i in range(5):
        density = flow.log_prob(scaled[i : i + 1])[0]
        for c in range(2):
            s = sigma[i, c]
            laplace = -torch.distributions.Laplace(0.0, s).log_prob(error[i, c])
            # As Li et al.'s code: -log of the flow's density of the pair for each coordinate, after the change to units of sigma.
            assert torch.allclose(found[i, c], laplace + s.log() - density, atol=1e-5)
    assert torch.allclose(rle_loss(error, sigma, None), -torch.distributions.Laplace(0.0, sigma).log_prob(error), atol=1e-5)


def test_paper_matching_is_class_and_mask_alone() -> None:
    net = random_network(Config(**SMALL), seed=5)
    t = people(3, seed=5)
    with torch.no_grad():
        p = net(random_image(64, 96, seed=5))
    criterion = PaperCriterion(PaperWeights(points=4000), MatchCosts())
    torch.manual_seed(0)
    query, person = criterion.match(p, 0, t)
    moved = Targets(**(vars(t) | {"boxes": t.boxes.flip(0), "joints": t.joints.flip(0)}))
    torch.manual_seed(0)
    again = criterion.match(p, 0, moved)
    assert torch.equal(query, again[0]) and torch.equal(person, again[1])
    cost = -2 * p.class_logits[0].softmax(-1)[:, :1] + 5 * _dense_costs(p.mask_logits[0], t.masks)
    best = assign(cost)
    assert math.isclose(cost[query, person].sum(), cost[best].sum(), rel_tol=0.01)


def _dense_costs(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    return mask_bce_cost(logits.flatten(1), masks.flatten(1)) + dice_cost(logits.flatten(1), masks.flatten(1))


def test_class_loss_weighs_nothing_by_a_tenth_and_skips_ignored_regions() -> None:
    net = random_network(Config(**SMALL), seed=6)
    with torch.no_grad():
        p = net(random_image(64, 96, seed=6))
    t = people(1, seed=6)
    pairs = [(torch.tensor([2]), torch.tensor([0]))]
    log = p.class_logits[0].log_softmax(-1)
    weight = torch.full((6,), 0.1)
    weight[2] = 1
    loss = -torch.where(torch.arange(6) == 2, log[:, 0], log[:, 1])
    assert torch.allclose(class_loss(p, [t], pairs, 0.1), (loss * weight).sum() / weight.sum(), atol=1e-6)
    p.keypoints[..., :4] = torch.tensor([0.2, 0.2, 0.5, 0.6])
    everywhere = Targets(**(vars(t) | {"ignored": torch.tensor([[-1.0, -1.0, 2.0, 2.0]])}))
    assert torch.allclose(class_loss(p, [everywhere], pairs, 0.1), loss[2], atol=1e-6)


def test_unlabelled_joints_do_not_count() -> None:
    net = random_network(Config(**SMALL, canonical_margin=0.25), seed=7)
    with torch.no_grad():
        p = net(random_image(64, 96, seed=7))
    t = people(2, seed=7)
    arguments = (p.keypoints[0, :2], p.pose_sigma[0, :2], t.boxes)
    found = pose_loss(*arguments, t.joints, t.joint_weight, p, RealNVP().eval())
    torch.manual_seed(0)
    changed = torch.where(t.joint_weight[..., None] > 0, t.joints, torch.full_like(t.joints, 9.0))
    flow = RealNVP()
    same = [pose_loss(*arguments, j, t.joint_weight, p, flow) for j in (t.joints, changed)]
    assert torch.equal(same[0], same[1]) and torch.isfinite(found)
    # The joint that is exactly right in the labelled box has no error.
    size = t.boxes[:, None, 2:] - t.boxes[:, None, :2]
    exact = t.boxes[:, None, :2] + (1.5 * arguments[0][:, 4:].unflatten(1, (17, 2)) - 0.25) * size
    zero = rle_loss(torch.zeros(34, 2), p.pose_sigma[0, :2].reshape(-1, 2), flow).view(2, 17, 2).mean(-1)
    expected = ((zero * t.joint_weight).sum(1) / t.joint_weight.sum(1)).sum()
    assert torch.allclose(pose_loss(*arguments, exact, t.joint_weight, p, flow), expected, atol=1e-4)


def test_joints_teach_where_the_box_is_rough_and_the_box_learns_nothing() -> None:
    """A rough box is no label: joints lie in the found box's own space once it is near, and in the rough one's before."""
    net = random_network(Config(**SMALL), seed=13).train()
    t = people(1, seed=13, masks=False)
    t.box_weight[:] = 0
    criterion = PaperCriterion(PaperWeights(points=64), MatchCosts())
    for near in (False, True):
        (p,) = net.all_layers(random_image(64, 96, seed=13))[-1:]
        with torch.no_grad():
            query, _ = criterion.match(p, 0, t)
            t.boxes[0] = p.keypoints[0, query, :4] + 0.01 if near else torch.tensor([0.0, 0.0, 0.02, 0.02])
            (query, _), box = criterion.match(p, 0, t), p.keypoints[0, :, :4]
            frame = box[query] if near else t.boxes
        terms = criterion.layer(p, [t], 1.0)
        expected = 0.2 * pose_loss(p.keypoints[0, query], p.pose_sigma[0, query], frame, t.joints, t.joint_weight, p, criterion.pose_flow)
        assert terms["box"] == 0 and torch.allclose(terms["pose"], expected, rtol=1e-4)
        net.zero_grad()
        terms["pose"].backward()
        assert net.heads.pose.layers[2].weight.grad.any()


@pytest.mark.parametrize("criterion", ["paper", "compact"])
def test_people_without_masks_teach_no_mask(criterion: str) -> None:
    net = random_network(Config(**SMALL), seed=8).train()
    layers = net.all_layers(random_image(64, 96, seed=8, batch=2))
    targets = [people(2, seed=8, masks=False), people(0, seed=9)]
    if criterion == "paper":
        terms = PaperCriterion(PaperWeights(points=200), MatchCosts())(layers, targets, 2.0)
    else:
        terms, _ = Criterion(Weights()).layer(layers[-1], targets)
    sum(terms.values()).backward()
    assert all(p.grad is None or not p.grad.any() for p in net.heads.mask.parameters())
    assert net.heads.pose.layers[2].weight.grad.any()


def test_quality_loss_asks_for_the_iou() -> None:
    t = people(1, seed=10)
    logits, boxes = torch.tensor([[1.0, 0.0], [2.0, 0.0]]), torch.cat([t.boxes, t.boxes + 0.4])
    found = quality_loss(logits, boxes, torch.tensor([0]), torch.tensor([0]), t)
    p = torch.sigmoid(torch.tensor([1.0, 2.0]))
    expected = -p[0].log() - 0.75 * p[1] ** 2 * (1 - p[1]).log()
    assert torch.allclose(found, expected, atol=1e-5)


def test_oks_of_the_compact_criterion_is_cocos() -> None:
    net = random_network(Config(**SMALL), seed=11)
    with torch.no_grad():
        p = net(random_image(64, 96, seed=11))
    t = people(1, seed=11)
    t.boxes[0] = p.keypoints[0, 3, :4]
    pairs = (torch.tensor([0]), torch.tensor([3]), torch.tensor([0]), torch.ones(1))
    found = Criterion(Weights(flow=False)).pose(p, [t], pairs, torch.tensor([[96.0, 64.0]]))["oks"]
    pixels = (p.joints[0, 3] - t.joints[0]) * torch.tensor([96.0, 64.0])
    area = 0.05 * 96 * 64
    each = torch.exp(-pixels.square().sum(1) / (2 * area * (2 * OKS_SIGMAS) ** 2))
    expected = 1 - (each * t.joint_weight[0]).sum() / t.joint_weight[0].sum()
    assert torch.allclose(found, expected, atol=1e-5)
    assert F.relu(found) <= 1


def plain_joint_map_loss(maps: torch.Tensor, t: Targets) -> float:
    """One picture, cell by cell: cross-entropy against each person's Gaussians, which weigh the same whatever their width."""
    h, w = maps.shape[1:]
    people = sorted(range(len(t.boxes)), key=lambda n: -float(t.area[n]))
    radius = [max(1.0, 0.06 * math.sqrt(max(float(t.area[n]) * h * w, 1.0))) for n in range(len(people))]
    loss = weights = 0.0
    for joint, row, column in itertools.product(range(17), range(h), range(w)):
        x, y = column + 0.5, row + 0.5
        truth, known, share = 0.0, True, 1 / (2 * math.pi)
        for x0, y0, x1, y1 in t.ignored.tolist():
            known &= not (x0 <= x / w <= x1 and y0 <= y / h <= y1)
        for n in people:
            x0, y0, x1, y1 = t.boxes[n].tolist()
            r = radius[n]
            left, right, top, bottom = max(int(x0 * w - 3 * r), 0), int(x1 * w + 3 * r), max(int(y0 * h - 3 * r), 0), int(y1 * h + 3 * r)
            if not (left <= column <= right and top <= row <= bottom):
                continue
            labelled = float(t.joint_weight[n, joint]) > 0
            known &= labelled or not (x0 <= x / w <= x1 and y0 <= y / h <= y1)
            if labelled:
                jx, jy = (t.joints[n, joint] * torch.tensor([w, h])).tolist()
                truth = max(truth, math.exp(-((x - jx) ** 2 + (y - jy) ** 2) / (2 * r * r)))
            share = 1 / (2 * math.pi * r * r)
        z = float(maps[joint, row, column])
        p = 1 / (1 + math.exp(-z))
        entropy = -truth * math.log(p) - (1 - truth) * math.log(1 - p)
        counts = 1.0 if truth > 0.3 else float(known)
        loss += share * counts * (1.0 if truth > 0.01 else p * p) * entropy
        weights += share * truth
    return len(people) * loss / max(weights, 1.0)


def test_joint_map_loss_is_its_definition() -> None:
    first, second, empty = people(3, seed=4), people(2, seed=5), people(0, seed=6)
    first = Targets(**(vars(first) | {"area": torch.tensor([0.02, 0.3, 1.5]), "ignored": torch.tensor([[0.1, 0.2, 0.4, 0.9]])}))
    maps = torch.randn(3, 17, 16, 24, generator=torch.Generator().manual_seed(1))
    expected = sum(plain_joint_map_loss(m, t) for m, t in zip(maps, (first, second, empty)))
    assert float(joint_map_loss(maps, [first, second, empty])) == pytest.approx(expected, rel=1e-4)


def test_a_small_persons_joints_count_as_much_as_a_large_ones() -> None:
    """Two people whose maps are equally wrong everywhere: the gradient on each one's joints adds up to the same."""
    t = people(2, seed=7, size=(256, 512))
    boxes = torch.tensor([[0.05, 0.1, 0.45, 0.9], [0.7, 0.4, 0.76, 0.6]])
    joints = boxes[:, None, :2] + torch.rand(2, 17, 2, generator=torch.Generator().manual_seed(2)) * (boxes[:, None, 2:] - boxes[:, None, :2])
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    t = Targets(**(vars(t) | {"boxes": boxes, "joints": joints, "joint_weight": torch.ones(2, 17), "area": area}))
    maps = torch.full((1, 17, 64, 128), -3.0, requires_grad=True)
    joint_map_loss(maps, [t]).backward()
    pull = [-maps.grad[0, :, :, :72].clamp(max=0).sum(), -maps.grad[0, :, :, 80:].clamp(max=0).sum()]
    assert float(pull[0] / pull[1]) == pytest.approx(1, abs=0.15)


def test_owner_loss_is_nothing_where_the_maps_tell_the_owners_box() -> None:
    t = people(2, seed=8)
    boxes = torch.tensor([[0.1, 0.1, 0.6, 0.9], [0.3, 0.3, 0.9, 0.8]])
    joints = boxes[:, None, :2] + torch.rand(2, 17, 2, generator=torch.Generator().manual_seed(3)) * (boxes[:, None, 2:] - boxes[:, None, :2])
    t = Targets(**(vars(t) | {"boxes": boxes, "joints": joints, "has_mask": torch.tensor([True, False])}))
    h, w = 16, 24
    owners = target_maps(t).owners
    assert set(owners.unique().tolist()) == {-1, 0, 1}
    assert (owners[t.masks[0] > 0.5] == 0).all()
    maps = torch.randn(1, 4, h, w)
    expected = 0.0
    for person in (0, 1):
        errors = []
        for row, column in (owners == person).nonzero().tolist():
            # Cells of 8 from the middle of this one to the four sides.
            x0, y0, x1, y1 = boxes[person].tolist()
            truth = [(x0 * w - column - 0.5) / 8, (y0 * h - row - 0.5) / 8, (x1 * w - column - 0.5) / 8, (y1 * h - row - 0.5) / 8]
            size = [(x1 - x0) * w / 8, (y1 - y0) * h / 8] * 2
            off = [abs(a - b) / s for a, b, s in zip(maps[0, :, row, column].tolist(), truth, size)]
            errors.append(sum(5 * e * e if e < 0.1 else e - 0.05 for e in off) / 4)
            for c in range(4):
                if row % 2:
                    maps[0, c, row, column] = truth[c]
                    errors[-1] = 0.0
        expected += sum(errors) / len(errors)
    assert float(owner_loss(maps, [t])) == pytest.approx(expected, rel=1e-4)


def test_a_joint_belongs_to_the_person_whose_it_is() -> None:
    t = people(2, seed=9, size=(80, 80), masks=False)
    boxes = torch.tensor([[0.1, 0.1, 0.9, 0.9], [0.4, 0.4, 0.6, 0.7]])  # one in front of the other
    joints = torch.full((2, 17, 2), 0.2)
    joints[1] = 0.5
    t = Targets(**(vars(t) | {"boxes": boxes, "joints": joints, "joint_weight": torch.ones(2, 17), "area": torch.tensor([0.3, 0.04])}))
    owners = target_maps(t).owners
    assert owners[4, 4] == 0 and owners[10, 10] == 1 and owners[16, 16] == -1
