"""The paper's objective against a second one, written from the paper's section 4.1, A.2 and Mask2Former's definitions.

Masks and mask logits are constant over the picture, so that it does not matter where points are drawn, as long as they
stay away from its border, where sampling takes in zeros (as Mask2Former's does).
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from hcqnet import Config
from hcqnet.flow import RealNVP
from hcqnet.hcqnet import Prediction
from hcqnet.matching import MatchCosts
from hcqnet.paper_losses import PaperCriterion, PaperWeights, point_mask_losses
from hcqnet.recipe import Recipe
from hcqnet.targets import Targets
from hcqnet.trainer import Trainer

QUERIES, LAYERS = 4, 3


@pytest.fixture(autouse=True)
def inner_points(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = torch.rand
    monkeypatch.setattr("hcqnet.paper_losses.torch.rand", lambda *size, **more: 0.1 + 0.8 * drawn(*size, **more))


def prediction(pictures: int, seed: int) -> Prediction:
    g = torch.Generator().manual_seed(seed)
    keys = torch.rand(pictures, QUERIES, 38, generator=g)
    keys[..., 2:4] = keys[..., :2] + 0.3
    features = torch.ones(pictures, 1, 8, 8)
    return Prediction(
        class_logits=torch.randn(pictures, QUERIES, 2, generator=g), mask_embeddings=2 * torch.randn(pictures, QUERIES, 1, generator=g),
        mask_features=features, keypoints=keys, joints=torch.zeros(pictures, QUERIES, 17, 2), embeddings=torch.zeros(1),
        box_sigma=0.05 + 0.9 * torch.rand(pictures, QUERIES, 4, generator=g), pose_sigma=0.05 + 0.9 * torch.rand(pictures, QUERIES, 34, generator=g),
    )  # fmt: skip


def people(count: int, seed: int) -> Targets:
    """Each covers another share of every cell, so that no two people cost the same."""
    g = torch.Generator().manual_seed(seed)
    corner = 0.5 * torch.rand(count, 2, generator=g)
    masks = torch.tensor([1.0, 0.0, 0.6])[:count, None, None].expand(count, 8, 8)
    return Targets(
        boxes=torch.cat([corner, corner + 0.1 + 0.3 * torch.rand(count, 2, generator=g)], 1), box_weight=torch.ones(count),
        joints=torch.rand(count, 17, 2, generator=g), joint_weight=(torch.rand(count, 17, generator=g) > 0.4).float(),
        area=torch.full((count,), 0.1), has_mask=torch.ones(count, dtype=torch.bool), masks=masks, ignored=torch.zeros(0, 4), size=(32, 32),
    )  # fmt: skip


def density(flow: RealNVP, x: float, y: float) -> float:
    """log of the flow's density: coupling layers undone from the last to the first, each moving one coordinate."""
    z, log = [x, y], 0.0
    for i in reversed(range(6)):
        fixed, moved = (1, 0) if i % 2 == 0 else (0, 1)
        kept = torch.zeros(1, 2)
        kept[0, fixed] = z[fixed]
        scale, shift = float(flow.scale[i](kept)[0, moved]), float(flow.shift[i](kept)[0, moved])
        z[moved] = (z[moved] - shift) * math.exp(-scale)
        log -= scale
    return log - (z[0] ** 2 + z[1] ** 2) / 2 - math.log(2 * math.pi)


def rle(flow: RealNVP, error: list[float], sigma: list[float]) -> float:
    """Mean over the two coordinates of log(sigma) - log(flow's density of the pair error / sigma) - log(Laplace of scale sigma)."""
    u = [e / s for e, s in zip(error, sigma)]
    flows = -2 * density(flow, *u) + math.log(sigma[0]) + math.log(sigma[1])
    laplace = sum(math.log(2 * s) + abs(v) for s, v in zip(sigma, u))
    return (flows + laplace) / 2


def layer(p: Prediction, targets: list[Targets], criterion: PaperCriterion, total: float) -> dict[str, float]:
    sums = {"mask_bce": 0.0, "mask_dice": 0.0, "box": 0.0, "pose": 0.0}
    points, class_sum, class_weight = criterion.weights.points, 0.0, 0.0
    for i, t in enumerate(targets):
        probability = p.class_logits[i].softmax(-1)
        inside = p.mask_embeddings[i, :, 0].sigmoid()

        def bce(query: int, person: int) -> float:
            share = float(t.masks[person, 0, 0])
            return -share * math.log(inside[query]) - (1 - share) * math.log(1 - inside[query])

        def dice(query: int, person: int) -> float:
            q, m = float(inside[query]), float(t.masks[person, 0, 0])
            return 1 - (2 * q * m * points + 1) / (q * points + m * points + 1)

        count = len(t.boxes)
        best = min(
            itertools.permutations(range(QUERIES), count),
            key=lambda order: sum(-2 * probability[q, 0] + 5 * bce(q, n) + 5 * dice(q, n) for n, q in enumerate(order)),
        )
        for q in range(QUERIES):
            weight = 1.0 if q in best else 0.1
            class_sum -= weight * math.log(probability[q, 0 if q in best else 1])
            class_weight += weight
        for n, q in enumerate(best):
            sums["mask_bce"] += 5 * bce(q, n)
            sums["mask_dice"] += 5 * dice(q, n)
            box, found = t.boxes[n].tolist(), p.keypoints[i, q].tolist()
            corners = [rle(criterion.box_flow, [found[c] - box[c], found[c + 1] - box[c + 1]], p.box_sigma[i, q, c : c + 2].tolist()) for c in (0, 2)]
            sums["box"] += 0.2 * sum(corners) / 2
            joints = []
            for j in (t.joint_weight[n] > 0).nonzero()[:, 0].tolist():
                truth = [(float(t.joints[n, j, c]) - box[c]) / (box[2 + c] - box[c]) for c in (0, 1)]
                error = [found[4 + 2 * j + c] - truth[c] for c in (0, 1)]
                joints.append(rle(criterion.pose_flow, error, p.pose_sigma[i, q, 2 * j : 2 * j + 2].tolist()))
            sums["pose"] += 0.2 * sum(joints) / max(len(joints), 1)
    return {"cls": 2 * class_sum / class_weight} | {k: v / total for k, v in sums.items()}


@pytest.mark.parametrize("counts", [(3, 1), (0, 2), (0, 0)])
def test_the_paper_objective_is_its_definition(counts: tuple[int, int]) -> None:
    torch.manual_seed(0)
    criterion = PaperCriterion(PaperWeights(points=96), MatchCosts())
    for p in criterion.parameters():
        torch.nn.init.normal_(p, std=0.2)
    targets = [people(n, seed=10 + i) for i, n in enumerate(counts)]
    targets[1].joint_weight[:1] = 0  # somebody without a single joint
    layers = [prediction(2, seed=s) for s in range(LAYERS)]
    total = 5.0  # people of all processes, over their number
    with torch.no_grad():
        found = criterion(layers, targets, total)
        expected = [layer(p, targets, criterion, total) for p in layers]
    assert found.keys() == {f"{aux}{name}" for aux in ("", "aux_") for name in expected[0]}
    for name, value in expected[-1].items():
        assert float(found[name]) == pytest.approx(value, rel=1e-4, abs=1e-6), name
        assert float(found[f"aux_{name}"]) == pytest.approx(sum(e[name] for e in expected[:-1]), rel=1e-4, abs=1e-6), name


def test_norms_queries_and_bias_tables_do_not_decay() -> None:
    network = Config(backbone="resnet18", hidden_dim=32, queries=6, encoder_layers=1, encoder_ffn=32, decoder_layers=1, decoder_ffn=32)
    trainer = Trainer(Recipe(network=network))
    kept = {id(p) for g in trainer.optimiser.param_groups if g["weight_decay"] == 0 for p in g["params"]}
    names = {name for name, p in trainer.net.named_parameters() if id(p) in kept}
    assert {"decoder.query_feat", "decoder.query_key", "decoder.norm.weight", "pixel_decoder.lateral.1.bias"} <= names
    assert not any(name.endswith(("linear1.weight", "linear1.bias", "level_embed", "conv1.weight")) for name in names)
    everything = [id(p) for g in trainer.optimiser.param_groups for p in g["params"]]
    assert sorted(everything) == sorted(id(p) for m in (trainer.net, trainer.criterion) for p in m.parameters())


def test_three_quarters_of_the_points_are_the_most_uncertain_of_three_times_as_many() -> None:
    """Half of the map is sure and right, half undecided: 75 % + half of the other 25 % of the points lie on the undecided half."""
    logits = torch.full((1, 64, 64), 20.0)
    logits[:, :, 32:] = 0
    w = PaperWeights(points=4000)
    torch.manual_seed(1)
    bce, _ = point_mask_losses(logits, torch.ones(1, 64, 64), w)
    assert float(bce) == pytest.approx(0.875 * math.log(2), rel=0.03)
    everywhere, _ = point_mask_losses(logits, torch.ones(1, 64, 64), PaperWeights(points=4000, importance=0.0))
    assert float(everywhere) == pytest.approx(0.5 * math.log(2), rel=0.05)
