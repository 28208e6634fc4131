"""Plausible mistakes of an implementation, planted in the twin; the comparison must find every one.

Here: sampling, keypoints, refinement and heads. The rest: `mistakes_in_layers`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hcqnet import HCQNet, layers
from hcqnet import decoder as decoder_module
from hcqnet import heads as heads_module
from hcqnet import pixel_decoder as pixel_module
from hcqnet.decoder import Decoder, KeypointAttention, LayerOutput
from hcqnet.heads import Heads
from hcqnet.layers import DeformableAttention, inverse_sigmoid

Plant = Callable[[pytest.MonkeyPatch, HCQNet], None]
MISTAKES: dict[str, tuple[str, Plant]] = {}  # name: (backbone, how to plant it)


def mistake(backbone: str = "resnet18") -> Callable[[Plant], Plant]:
    """Registers a mistake under the function's name."""

    def register(plant: Plant) -> Plant:
        MISTAKES[plant.__name__] = (backbone, plant)
        return plant

    return register


def around(patch: pytest.MonkeyPatch, owner: Any, name: str, change: Callable[..., Any]) -> None:
    """Replaces `owner.name` by `change(original, ...)`."""
    original = getattr(owner, name)
    patch.setattr(owner, name, lambda *args, **kwargs: change(original, *args, **kwargs))


def _locations(patch: pytest.MonkeyPatch, change: Callable[[Tensor], Tensor]) -> None:
    def sample(original: Any, value: Tensor, shapes: Any, locations: Tensor, weights: Tensor) -> Tensor:
        return original(value, shapes, change(locations), weights)

    around(patch, layers, "sample_levels", sample)


# Sampling --------------------------------------------------------------------------------------------------------


@mistake()
def x_and_y_swapped_in_sampling(patch, net):
    _locations(patch, lambda locations: locations.flip(-1))


@mistake()
def levels_in_the_other_order(patch, net):
    def sample(original, value, shapes, locations, weights):
        return original(value, shapes, locations.flip(3), weights.flip(3))

    around(patch, layers, "sample_levels", sample)


@mistake()
def sampling_with_aligned_corners(patch, net):
    around(patch, F, "grid_sample", lambda original, x, grid, **_: original(x, grid, align_corners=True))


@mistake()
def sampling_repeats_the_border(patch, net):
    def border(original, x, grid, **_):
        return original(x, grid, padding_mode="border", align_corners=False)

    around(patch, F, "grid_sample", border)


@mistake()
def weights_softmaxed_level_by_level(patch, net):
    def attend(self, query, tokens, shapes, locations):
        weights = self.attention_weights(query).unflatten(-1, (self.heads, self.levels, self.points)).softmax(-1)
        value = self.value_proj(tokens).unflatten(-1, (self.heads, -1))
        return self.output_proj(layers.sample_levels(value, shapes, locations, weights / self.levels))

    patch.setattr(DeformableAttention, "attend", attend)


@mistake()
def offsets_divided_by_height_and_width_swapped(patch, net):
    around(patch, DeformableAttention, "offsets", lambda original, self, query, shapes: original(
        self, query, [(width, height) for height, width in shapes]))  # fmt: skip


@mistake()
def offsets_not_divided_by_the_size(patch, net):
    around(patch, DeformableAttention, "offsets", lambda original, self, query, shapes: original(
        self, query, [(1, 1)] * len(shapes)))  # fmt: skip


@mistake()
def offsets_in_the_order_of_points_before_levels(patch, net):
    def offsets(original, self, query, shapes):
        right = original(self, query, shapes)
        pixels = self.sampling_offsets(query).unflatten(-1, (self.heads, right.shape[4], self.levels, 2))
        size = pixels.new_tensor([(width, height) for height, width in shapes])
        return pixels.transpose(3, 4) / size[:, None]

    around(patch, DeformableAttention, "offsets", offsets)


@mistake()
def reference_at_the_pixels_corners(patch, net):
    def corners(original, height, width, like):
        half = like.new_tensor([0.5 / width, 0.5 / height])
        return original(height, width, like) - half

    around(patch, pixel_module, "pixel_centres", corners)


# Keypoints -------------------------------------------------------------------------------------------------------


def _joints_of_attention(patch: pytest.MonkeyPatch, change: Callable[[Tensor], Tensor]) -> None:
    def forward(original, self, query, keys, joints, tokens, shapes):
        return original(self, query, keys, change(joints), tokens, shapes)

    around(patch, KeypointAttention, "forward", forward)


@mistake()
def nose_among_the_joint_points(patch, net):
    _joints_of_attention(patch, lambda joints: joints.roll(1, 2))  # head m takes 2m and 2m + 1


@mistake()
def heads_with_other_joint_pairs(patch, net):
    def others(joints):
        pairs = joints[:, :, 1:].unflatten(2, (2, -1)).transpose(2, 3).flatten(2, 3)  # head m takes m and m + 8
        return torch.cat([joints[:, :, :1], pairs], 2)

    _joints_of_attention(patch, others)


@mistake()
def offsets_before_joints_among_the_points(patch, net):
    def attend(original, self, query, tokens, shapes, locations):
        if self.points == 4 and isinstance(self, KeypointAttention):
            locations = locations.roll(2, 4)
        return original(self, query, tokens, shapes, locations)

    around(patch, DeformableAttention, "attend", attend)


@mistake()
def joints_not_moved_into_the_image(patch, net):
    def stored(original, keys, config):
        return keys[..., 4:].unflatten(-1, (-1, 2))

    around(patch, decoder_module, "image_joints", stored)


@mistake()
def offsets_from_the_left_top_corner(patch, net):
    patch.setattr(decoder_module, "centre", lambda keys: keys[..., :2])


@mistake()
def position_only_from_the_initial_keypoints(patch, net):
    first: list[Tensor] = []

    def position(original, self, keys):
        first.append(keys)
        return original(self, first[0])

    around(patch, Decoder, "position", position)


# Refinement and heads --------------------------------------------------------------------------------------------


@mistake()
def mask_head_with_keypoints_from_before_the_update(patch, net):
    def forward(original, self, embedding, keys, features, heads, mask=None):
        outputs = original(self, embedding, keys, features, heads, mask)
        outputs[-1].refined.keys = outputs[-2].refined.keys
        return outputs

    around(patch, Decoder, "forward", forward)


@mistake()
def pose_head_with_the_box_from_after_the_update(patch, net):
    def refine(original, self, embedding, keys, position):
        box = (inverse_sigmoid(keys[..., :4]) + self.box(torch.cat([embedding, keys], -1))[0]).sigmoid()
        late = original(self, embedding, torch.cat([box, keys[..., 4:]], -1), position)
        right = original(self, embedding, keys, position)
        pose = (inverse_sigmoid(keys[..., 4:]) + self.pose(torch.cat([embedding, box, keys[..., 4:]], -1))[0]).sigmoid()
        right.keys = right.keypoints = torch.cat([right.keys[..., :4], pose], -1)
        right.pose_sigma = late.pose_sigma
        return right

    around(patch, Heads, "refine", refine)


@mistake()
def pose_head_fed_image_coordinates(patch, net):
    def pose(original, x):
        dim = net.config.hidden_dim
        return original(torch.cat([x[..., :dim], heads_module.image_keys(x[..., dim:], net.config)], -1))

    around(patch, net.heads.pose, "forward", pose)


@mistake()
def no_refinement_of_the_initial_queries(patch, net):
    def output(original, self, x, keys, heads):
        right = original(self, x, keys, heads)
        if x.shape == self.query_feat[None].shape and torch.equal(x[0], self.query_feat):
            right.refined.keys = keys
        return right

    around(patch, Decoder, "_output", output)


@mistake()
def keypoints_refined_without_the_inverse_sigmoid(patch, net):
    patch.setattr(heads_module, "inverse_sigmoid", lambda x: x)


@mistake()
def one_bias_left_out(patch, net):
    patch.setattr(net.decoder.layers[-1].linear2, "bias", None)


@mistake()
def heads_read_the_embedding_before_its_norm(patch, net):
    def output(original, self, x, keys, heads):
        return LayerOutput(x, heads.refine(x, keys, self.position))

    around(patch, Decoder, "_output", output)


@mistake()
def no_relu_before_the_last_layer_of_a_head(patch, net):
    def hidden(self, x):
        return self.layers[1](F.relu(self.layers[0](x)))

    patch.setattr(layers.MLP, "hidden", hidden)
