"""Table 5 of the paper, by MODEL.md's counting rule."""

from __future__ import annotations

import pytest

from hcqnet import Config
from hcqnet.macs import count


def test_swin_b_at_1024_has_the_papers_macs() -> None:
    macs = count(Config(backbone="swin_b"), 1024, 1024)
    paper = {"backbone": 363e9, "pixel decoder": 143e9, "transformer decoder": 12.60e9, "box": 0.128e9, "pose": 0.135e9}
    for name, expected in paper.items():
        assert macs[name] == pytest.approx(expected, rel=0.02), name
    assert macs["class"] == 51_200
    assert macs["mask"] == 20_633_600
    assert macs["mask product"] == 256 * 256 * 256 * 100
    assert macs["total"] == pytest.approx(521e9, rel=0.02)


def test_resnet50_at_384x640_has_58_7_gmacs() -> None:
    assert count(Config(), 384, 640)["total"] == pytest.approx(58.7e9, rel=0.001)


def test_a_network_without_pose_head_counts_none() -> None:
    assert count(Config(backbone="resnet18", variant="basenet-ds"), 64, 64)["pose"] == 0


def test_macs_of_the_compact_network_stay_in_their_budget() -> None:
    config = Config(
        backbone="esnet_pan", hidden_dim=128, queries=64, encoder_layers=0, decoder_layers=3, decoder_ffn=512,
        query_start="proposals", joint_grid=24, output_conv="separable", output_layers=2,
    )  # fmt: skip
    macs = count(config, 384, 640)
    assert macs["total"] == pytest.approx(2.199e9, rel=0.001)
    assert macs["proposals"] > 0
