"""What the compact network adds: ESNet with CSP-PAN, queries from proposals, separable stride-4 convolutions."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
import torch

from hcqnet import Config, HCQNet
from hcqnet.config import ConfigError
from hcqnet.new import random_image, random_network
from hcqnet.proposals import ASIDE, pairwise_iou, select, starting_logits
from hcqnet.weights import load, save

COMPACT = {
    "backbone": "esnet_pan", "hidden_dim": 64, "queries": 12, "encoder_layers": 0, "decoder_layers": 2,
    "decoder_ffn": 96, "canonical_margin": 0.25, "query_start": "proposals", "output_conv": "separable", "output_layers": 2, "joint_grid": 6,
}  # fmt: skip
TEACHERS = Path(os.environ.get("HCQD_DATA", Path(__file__).parents[3] / "shared" / "data")) / "teachers"


def test_outputs_have_their_shapes_for_sides_that_64_does_not_divide() -> None:
    outputs = HCQNet(Config(**COMPACT)).infer(random_image(96, 160, seed=1, batch=2))
    shapes = {name: tuple(value.shape) for name, value in outputs.items()}
    assert shapes["keypoints"] == (2, 12, 38) and shapes["mask_logits"] == (2, 12, 24, 40)


def test_a_file_brings_the_same_network_back(tmp_path: Path) -> None:
    net = random_network(Config(**COMPACT), seed=1)
    save(net, tmp_path / "m.safetensors")
    image = random_image(64, 96, seed=1)
    found = load(tmp_path / "m.safetensors").infer(image)
    assert all(torch.equal(found[name], value) for name, value in net.infer(image).items())


def test_starting_network_answers_with_its_proposals() -> None:
    net = HCQNet(Config(**COMPACT)).eval()
    with torch.no_grad():
        features = net.encode(random_image(96, 96, seed=2))
        layers = [net.predict(output, features) for output in net.decode(features)]
    plain = torch.where(features.chosen < 0, -1 - features.chosen, features.chosen)
    boxes = features.proposals.boxes.take_along_dim(plain[..., None], 1).clamp(1e-3, 1 - 1e-3)
    for p in layers:
        assert torch.allclose(p.keypoints[..., :4], boxes, atol=1e-5)
        prior = starting_logits(features.proposals.logits, features.chosen)
        assert torch.allclose(p.class_logits[..., 0] - p.class_logits[..., 1], prior, atol=1e-5)


def test_given_choice_replaces_the_own_one() -> None:
    net = random_network(Config(**COMPACT), seed=3)
    image = random_image(64, 64, seed=3)
    with torch.no_grad():
        own = net.encode(image).chosen
        assert torch.equal(net(image).keypoints, net(image, own).keypoints)
        assert not torch.equal(net(image).keypoints, net(image, own.flip(1)).keypoints)


def test_select_is_greedy_suppression_in_falling_order() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(1, 300, generator=generator)
    corner = torch.rand(1, 300, 2, generator=generator)
    boxes = torch.cat([corner, corner + 0.2 + 0.1 * torch.rand(1, 300, 2, generator=generator)], -1)
    chosen = select(logits, boxes, 300, 0.5)[0].tolist()
    # The definition, box by box.
    order = sorted(range(300), key=lambda i: (-logits[0, i].item(), i))[:256]
    kept: list[int] = []
    aside: list[int] = []
    for i in order:
        overlaps = [pairwise_iou(boxes[0, i : i + 1], boxes[0, j : j + 1]).item() for j in kept]
        (aside if any(v > 0.5 for v in overlaps) else kept).append(i)
    sequence = kept + [-1 - i for i in aside]
    assert len(aside) > 20 and chosen == [sequence[i % 256] for i in range(300)]


def test_one_set_aside_starts_lower() -> None:
    logits = torch.tensor([[3.0, 2.0]])
    boxes = torch.tensor([[[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.49]]])
    chosen = select(logits, boxes, 3, 0.7)
    assert chosen.tolist() == [[0, -2, 0]]
    assert starting_logits(logits, chosen).tolist() == [[3.0, 2.0 - ASIDE, 3.0]]


@pytest.mark.parametrize("owner", [0, 1])
def test_first_joints_are_read_from_the_maps(owner: int) -> None:
    net = random_network(Config(**(COMPACT | {"joint_grid": 5, "joint_owner": owner})), seed=5)
    decoder, m = net.decoder, 0.25
    generator = torch.Generator().manual_seed(5)
    maps = torch.randn(1, 17 + 4 * owner, 12, 20, generator=generator)
    maps[:, 17:] *= 0.1
    boxes = torch.tensor([[[0.2, 0.3, 0.6, 0.9], [0.5, 0.5, 1.1, 0.8]]])
    expected = torch.rand(1, 2, 17, 2, generator=generator)
    found = decoder.read_joints(boxes, expected, maps)
    for query, joint in ((0, 0), (0, 16), (1, 7)):
        x0, y0, x1, y1 = boxes[0, query].tolist()
        scores, points = [], []
        for j in range(5):
            for i in range(5):
                g = torch.tensor([(i + 0.5) / 5, (j + 0.5) / 5])
                x = (x0 + ((1 + 2 * m) * g[0].item() - m) * (x1 - x0)) * 20 - 0.5
                y = (y0 + ((1 + 2 * m) * g[1].item() - m) * (y1 - y0)) * 12 - 0.5
                value, sides = 0.0, [0.0] * 4
                for yy in (math.floor(y), math.floor(y) + 1):
                    for xx in (math.floor(x), math.floor(x) + 1):
                        if 0 <= yy < 12 and 0 <= xx < 20:
                            near = (1 - abs(x - xx)) * (1 - abs(y - yy))
                            value += maps[0, joint, yy, xx].item() * near
                            sides = [s + v * near for s, v in zip(sides, maps[0, 17:, yy, xx].tolist())] if owner else sides
                distance = (g - expected[0, query, joint]).square().sum()
                scores.append(decoder.joint_scale[joint] * value - decoder.joint_reach[joint] * distance)
                if owner:
                    # Where the owner's box is, in cells, against the query's.
                    told = [x + 0.5 + 8 * sides[0], y + 0.5 + 8 * sides[1], x + 0.5 + 8 * sides[2], y + 0.5 + 8 * sides[3]]
                    own, size = [20 * x0, 12 * y0, 20 * x1, 12 * y1], [20 * (x1 - x0), 12 * (y1 - y0)] * 2
                    strange = sum(abs(a - b) / s for a, b, s in zip(told, own, size)) / 4
                    scores[-1] = scores[-1] - decoder.joint_owner[joint] * min(strange, 1)
                points.append(g)
        place = (torch.stack(scores).softmax(0)[:, None] * torch.stack(points)).sum(0)
        assert torch.allclose(found[0, query, joint], place, atol=1e-5)


@pytest.mark.parametrize("wrong", [
    {"backbone": "resnet18"}, {"variant": "basenet-dps"}, {"keypoint_space": "image"}, {"proposal_nms": 0},
    {"output_conv": "dense"}, {"joint_grid": -1}, {"joint_owner": 2}, {"joint_grid": 0, "joint_owner": 1}, {"query_start": "proposal"}, {"tower": "hrnet"},
])  # fmt: skip
def test_impossible_configurations_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        Config(**(COMPACT | wrong))


@pytest.mark.skipif(not TEACHERS.exists(), reason=f"the published networks are not in {TEACHERS}")
def test_picodet_is_read_exactly() -> None:
    import onnxruntime

    from hcqnet.init_picodet import load_picodet

    path = TEACHERS / "picodet_s_416_coco.onnx"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    image = random_image(416, 416, seed=4)
    outputs = onnxruntime.InferenceSession(str(path), options).run(None, {"image": image.numpy()})
    backbone, head = load_picodet(path)
    with torch.no_grad():
        found = head(backbone(image)[1:], (416, 416))
    scores = torch.cat([torch.from_numpy(o[0, :, 0]) for o in outputs[:4]])
    sides = torch.cat([torch.from_numpy(o[0]) for o in outputs[4:]])
    assert torch.allclose(found.logits[0].sigmoid(), scores, atol=1e-5)
    assert torch.allclose(found.sides[0].flatten(1), sides, atol=1e-3)


@pytest.mark.skipif(not TEACHERS.exists(), reason=f"the published networks are not in {TEACHERS}")
def test_tinypose_is_read_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    from hcqnet.backbones import lite_hrnet
    from hcqnet.init_tinypose import load_tinypose

    path = TEACHERS / "pp_tinypose_256_192_fp16.xml"
    published = openvino.Core().read_model(str(path))
    nodes = {node.get_friendly_name(): node for node in published.get_ordered_ops()}
    branches = ("relu_143.tmp_0", "relu_133.tmp_0", "relu_135.tmp_0", "relu_139.tmp_0")
    published.add_outputs([nodes[name].output(0) for name in branches])
    published.reshape([1, 3, 256, 192])
    image = random_image(256, 192, seed=4)
    model = openvino.compile_model(published, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answers = list(model(image.numpy()).values())
    # The file enlarges with aligned corners, which our network does not.
    enlarge = torch.nn.functional.interpolate
    monkeypatch.setattr(
        lite_hrnet.F, "interpolate",
        lambda x, size=None, scale_factor=None, mode="nearest", align_corners=None: enlarge(
            x, size, scale_factor, mode, True if mode == "bilinear" else None
        ),
    )  # fmt: skip
    tower, weight, bias = load_tinypose(path)
    with torch.no_grad():
        found = tower(image)
    heat = torch.einsum("bchw,jc->bjhw", found[0], weight) + bias[:, None, None]
    for value, truth in zip((heat, *found), (answers[0], *answers[-4:])):
        assert torch.allclose(value, torch.from_numpy(truth), rtol=1e-4, atol=1e-4 * float(abs(truth).max()))


def test_tower_adds_nothing_before_it_is_trained() -> None:
    net = HCQNet(Config(**(COMPACT | {"tower": "lite_hrnet"}))).eval()
    image = random_image(64, 96, seed=5)
    with torch.no_grad():
        with_tower = net.encode(image)
        net.tower = net.pixel_decoder.tower = None
        without = net.encode(image)
    assert torch.equal(with_tower.tokens, without.tokens) and torch.equal(with_tower.fine, without.fine)
