"""The configuration: defaults of the paper, JSON, refusals that name the field."""

from __future__ import annotations

import json

import pytest

from hcqnet import Config, ConfigError
from hcqnet.config import VARIANTS


def test_empty_object_is_the_papers_model() -> None:
    config = Config.from_json("{}")
    assert config == Config()
    assert (config.hidden_dim, config.queries, config.decoder_layers, config.encoder_layers) == (256, 100, 8, 6)
    assert (config.key_dim, config.joint_points, config.swin_window) == (38, 2, 7)


def test_survives_a_round_through_json() -> None:
    config = Config(backbone="swin_b", hidden_dim=96, heads=4, points=8, canonical_margin=0.25, image_std=(1, 2, 3))
    assert Config.from_json(config.to_json()) == config
    assert json.loads(config.to_json())["swin_window"] == 12


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"hiden_dim": 256}', "config: unknown field hiden_dim (did you mean hidden_dim?)"),
        ('{"zzz": 1}', "config: unknown field zzz"),
        ("[1]", "config: found list, expected a JSON object"),
        ('{"queries": "many"}', 'config: queries is "many", expected a whole number'),
        ('{"queries": 1.5}', "config: queries is 1.5, expected a whole number"),
        ('{"queries": true}', "config: queries is true, expected a whole number"),
        ('{"queries": 0}', "config: queries is 0, expected at least 1"),
        ('{"swin_window": 0}', "config: swin_window is 0, expected at least 1"),
        ('{"decoder_layers": -1}', "config: decoder_layers is -1, expected 0 or more"),
        ('{"hidden_dim": 100}', "config: hidden_dim is 100, expected a multiple of 32 (GroupNorm)"),
        ('{"hidden_dim": 64, "heads": 3, "joints": 7}', "config: hidden_dim 64 does not divide by heads 3"),
        ('{"points": 6}', "config: heads 8 x points 6 / 2 must equal joints - 1, that is 16"),
        ('{"joints": 16}', "config: heads 8 x points 4 / 2 must equal joints - 1, that is 15"),
        ('{"heads": 32, "points": 1}', "config: heads 32 x points 1 / 2 must equal joints - 1, that is 16"),
        ('{"variant": "hcq"}', f"config: variant is hcq, expected one of {', '.join(VARIANTS)}"),
        ('{"backbone": 50}', "config: backbone is 50, expected a string"),
        (
            '{"keypoint_space": "image", "head_condition": "image"}',
            "config: keypoint_space image needs head_condition canonical, found image",
        ),
        ('{"image_mean": [0, 0]}', "config: image_mean is [0, 0], expected a list of 3 numbers"),
        ('{"image_std": [1, 1, 0]}', "config: image_std is [1.0, 1.0, 0.0], expected numbers above 0"),
        ('{"canonical_margin": -0.1}', "config: canonical_margin is -0.1, expected 0 or more"),
        ('{"canonical_margin": NaN}', "config: canonical_margin is NaN, expected a number"),
        ('{"queries": Infinity}', "config: queries is Infinity, expected a whole number"),
    ],
)
def test_refuses_by_name(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Config.from_json(text)
    assert str(error.value) == message


def test_refuses_what_is_not_json() -> None:
    with pytest.raises(ConfigError, match="config: not JSON: .*line 1 column 2"):
        Config.from_json("{queries: 1}")
