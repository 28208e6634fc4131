"""Plausible mistakes of an implementation, planted in the twin; the comparison must find every one."""

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
from hcqnet.backbones import resnet, swin
from hcqnet.decoder import Decoder, DecoderLayer, KeypointAttention, LayerOutput
from hcqnet.heads import Heads
from hcqnet.layers import DeformableAttention, SelfAttention, inverse_sigmoid
from hcqnet.pixel_decoder import EncoderAttention, EncoderLayer, PixelDecoder

Plant = Callable[[pytest.MonkeyPatch, HCQNet], None]
MISTAKES: dict[str, tuple[str, Plant]] = {}  # name: (backbone, how to plant it)


def mistake(backbone: str = "resnet18") -> Callable[[Plant], Plant]:
    """Registers a mistake under the function's name."""

    def register(plant: Plant) -> Plant:
        MISTAKES[plant.__name__] = (backbone, plant)
        return plant

    return register


def _around(patch: pytest.MonkeyPatch, owner: Any, name: str, change: Callable[..., Any]) -> None:
    """Replaces `owner.name` by `change(original, ...)`."""
    original = getattr(owner, name)
    patch.setattr(owner, name, lambda *args, **kwargs: change(original, *args, **kwargs))


def _locations(patch: pytest.MonkeyPatch, change: Callable[[Tensor], Tensor]) -> None:
    def sample(original: Any, value: Tensor, shapes: Any, locations: Tensor, weights: Tensor) -> Tensor:
        return original(value, shapes, change(locations), weights)

    _around(patch, layers, "sample_levels", sample)


# Sampling --------------------------------------------------------------------------------------------------------


@mistake()
def x_and_y_swapped_in_sampling(patch, net):
    _locations(patch, lambda locations: locations.flip(-1))


@mistake()
def levels_in_the_other_order(patch, net):
    def sample(original, value, shapes, locations, weights):
        return original(value, shapes, locations.flip(3), weights.flip(3))

    _around(patch, layers, "sample_levels", sample)


@mistake()
def sampling_with_aligned_corners(patch, net):
    _around(patch, F, "grid_sample", lambda original, x, grid, **_: original(x, grid, align_corners=True))


@mistake()
def sampling_repeats_the_border(patch, net):
    def border(original, x, grid, **_):
        return original(x, grid, padding_mode="border", align_corners=False)

    _around(patch, F, "grid_sample", border)


@mistake()
def weights_softmaxed_level_by_level(patch, net):
    def attend(self, query, tokens, shapes, locations):
        weights = self.attention_weights(query).unflatten(-1, (self.heads, self.levels, self.points)).softmax(-1)
        value = self.value_proj(tokens).unflatten(-1, (self.heads, -1))
        return self.output_proj(layers.sample_levels(value, shapes, locations, weights / self.levels))

    patch.setattr(DeformableAttention, "attend", attend)


@mistake()
def offsets_divided_by_height_and_width_swapped(patch, net):
    _around(patch, DeformableAttention, "offsets", lambda original, self, query, shapes: original(
        self, query, [(width, height) for height, width in shapes]))  # fmt: skip


@mistake()
def offsets_not_divided_by_the_size(patch, net):
    _around(patch, DeformableAttention, "offsets", lambda original, self, query, shapes: original(
        self, query, [(1, 1)] * len(shapes)))  # fmt: skip


@mistake()
def offsets_in_the_order_of_points_before_levels(patch, net):
    def offsets(original, self, query, shapes):
        right = original(self, query, shapes)
        pixels = self.sampling_offsets(query).unflatten(-1, (self.heads, right.shape[4], self.levels, 2))
        size = pixels.new_tensor([(width, height) for height, width in shapes])
        return pixels.transpose(3, 4) / size[:, None]

    _around(patch, DeformableAttention, "offsets", offsets)


@mistake()
def reference_at_the_pixels_corners(patch, net):
    def corners(original, height, width, like):
        half = like.new_tensor([0.5 / width, 0.5 / height])
        return original(height, width, like) - half

    _around(patch, pixel_module, "pixel_centres", corners)


# Keypoints -------------------------------------------------------------------------------------------------------


def _joints_of_attention(patch: pytest.MonkeyPatch, change: Callable[[Tensor], Tensor]) -> None:
    def forward(original, self, query, keys, joints, tokens, shapes):
        return original(self, query, keys, change(joints), tokens, shapes)

    _around(patch, KeypointAttention, "forward", forward)


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

    _around(patch, DeformableAttention, "attend", attend)


@mistake()
def joints_not_moved_into_the_image(patch, net):
    def stored(original, keys, config):
        return keys[..., 4:].unflatten(-1, (-1, 2))

    _around(patch, decoder_module, "image_joints", stored)


@mistake()
def offsets_from_the_left_top_corner(patch, net):
    patch.setattr(decoder_module, "centre", lambda keys: keys[..., :2])


@mistake()
def position_only_from_the_initial_keypoints(patch, net):
    first: list[Tensor] = []

    def position(original, self, keys):
        first.append(keys)
        return original(self, first[0])

    _around(patch, Decoder, "position", position)


# Refinement and heads --------------------------------------------------------------------------------------------


@mistake()
def mask_head_with_keypoints_from_before_the_update(patch, net):
    def forward(original, self, embedding, keys, features, heads, mask=None):
        outputs = original(self, embedding, keys, features, heads, mask)
        outputs[-1].refined.keys = outputs[-2].refined.keys
        return outputs

    _around(patch, Decoder, "forward", forward)


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

    _around(patch, Heads, "refine", refine)


@mistake()
def pose_head_fed_image_coordinates(patch, net):
    def pose(original, x):
        dim = net.config.hidden_dim
        return original(torch.cat([x[..., :dim], heads_module.image_keys(x[..., dim:], net.config)], -1))

    _around(patch, net.heads.pose, "forward", pose)


@mistake()
def no_refinement_of_the_initial_queries(patch, net):
    def output(original, self, x, keys, heads):
        right = original(self, x, keys, heads)
        if x.shape == self.query_feat[None].shape and torch.equal(x[0], self.query_feat):
            right.refined.keys = keys
        return right

    _around(patch, Decoder, "_output", output)


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

    _around(patch, Decoder, "_output", output)


@mistake()
def no_relu_before_the_last_layer_of_a_head(patch, net):
    def hidden(self, x):
        return self.layers[1](F.relu(self.layers[0](x)))

    patch.setattr(layers.MLP, "hidden", hidden)


# Attention and positions -----------------------------------------------------------------------------------------


def _attention(scale: float, axis: int) -> Callable[..., Tensor]:
    def forward(self, query, value, mask=None):
        q, k, v = (self._split(layer(x)) for layer, x in ((self.q, query), (self.k, query), (self.v, value)))
        scores = q @ k.transpose(-1, -2) * scale
        return self.out((scores.softmax(axis) @ v).transpose(1, 2).flatten(2))

    return forward


@mistake()
def attention_scaled_by_the_whole_dimension(patch, net):
    patch.setattr(SelfAttention, "forward", _attention(net.config.hidden_dim**-0.5, -1))


@mistake()
def softmax_over_the_queries(patch, net):
    dim = net.config.hidden_dim // net.config.heads
    patch.setattr(SelfAttention, "forward", _attention(dim**-0.5, -2))


@mistake()
def position_added_to_the_value_of_self_attention(patch, net):
    _around(patch, SelfAttention, "forward", lambda original, self, query, value, mask=None: original(
        self, query, query, mask))  # fmt: skip


@mistake()
def sine_and_cosine_swapped(patch, net):
    def swapped(original, x, dim):
        return original(x, dim).unflatten(-1, (-1, 2)).flip(-1).flatten(-2)

    _around(patch, decoder_module, "sine_code", swapped)


@mistake()
def sines_first_cosines_after(patch, net):
    def halves(original, x, dim):
        code = original(x, dim)
        return torch.cat([code[..., 0::2], code[..., 1::2]], -1)

    _around(patch, layers, "sine_code", halves)


@mistake()
def position_with_x_before_y(patch, net):
    _around(patch, pixel_module, "sine_position", lambda original, *args: torch.cat(
        original(*args).chunk(2, -1)[::-1], -1))  # fmt: skip


@mistake()
def position_not_normalised_to_two_pi(patch, net):
    def pixels(height, width, dim, like):
        y = layers.sine_code(torch.arange(1.0, height + 1, dtype=like.dtype), dim // 2)[:, None].expand(-1, width, -1)
        x = layers.sine_code(torch.arange(1.0, width + 1, dtype=like.dtype), dim // 2)[None].expand(height, -1, -1)
        return torch.cat([y, x], -1).flatten(0, 1)

    patch.setattr(pixel_module, "sine_position", pixels)


@mistake()
def position_added_to_the_value_of_the_encoder(patch, net):
    _around(patch, EncoderAttention, "forward", lambda original, self, query, tokens, shapes: original(
        self, query, query, shapes))  # fmt: skip


@mistake()
def position_left_out_of_cross_attention(patch, net):
    def forward(original, self, embedding, position, keys, features, mask):
        cross = self.cross_attn.forward
        patch.setattr(self.cross_attn, "forward", lambda query, *rest: cross(query - position, *rest))
        result = original(self, embedding, position, keys, features, mask)
        patch.setattr(self.cross_attn, "forward", cross)
        return result

    _around(patch, DecoderLayer, "forward", forward)


@mistake()
def norm_before_the_residual(patch, net):
    def forward(self, tokens, position, shapes):
        tokens = self.norm1(tokens + self.self_attn(tokens + position, tokens, shapes))
        return tokens + self.norm2(self.linear2(F.relu(self.linear1(tokens))))

    patch.setattr(EncoderLayer, "forward", forward)


# Pixel decoder and backbone --------------------------------------------------------------------------------------


@mistake()
def group_norm_with_half_the_groups(patch, net):
    for proj in net.pixel_decoder.input_proj:
        patch.setattr(proj[1], "num_groups", 16)


@mistake()
def stride_8_map_upsampled_by_repeating(patch, net):
    _around(patch, F, "interpolate", lambda original, x, size, **_: original(x, size, mode="nearest"))


@mistake()
def stride_8_map_upsampled_with_aligned_corners(patch, net):
    _around(patch, F, "interpolate", lambda original, x, size, **_: original(
        x, size, mode="bilinear", align_corners=True))  # fmt: skip


@mistake()
def no_relu_after_the_stride_4_convolution(patch, net):
    # No map of the backbones has D = 96 channels.
    _around(patch, F, "relu", lambda original, x: x if x.dim() == 4 and x.shape[1] == 96 else original(x))


@mistake("resnet50")
def stride_in_the_first_convolution_of_a_bottleneck(patch, net):
    for block in net.backbone.modules():
        if isinstance(block, resnet.Bottleneck) and block.conv2.stride == (2, 2):
            patch.setattr(block.conv1, "stride", (2, 2))
            patch.setattr(block.conv2, "stride", (1, 1))


@mistake()
def batch_norm_with_a_larger_epsilon(patch, net):
    for module in net.backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            patch.setattr(module, "eps", 1e-3)


@mistake("swin_t")
def windows_not_shifted(patch, net):
    for module in net.modules():
        if isinstance(module, swin.WindowAttention):
            patch.setattr(module, "shift", 0)


@mistake("swin_t")
def windows_shifted_the_other_way(patch, net):
    for module in net.modules():
        if isinstance(module, swin.WindowAttention):
            patch.setattr(module, "shift", -module.shift % module.window)


@mistake("swin_t")
def shifted_windows_without_a_mask(patch, net):
    _around(patch, swin, "shift_mask", lambda original, *args: original(*args) * 0)


@mistake("swin_t")
def relative_positions_transposed(patch, net):
    for module in net.modules():
        if isinstance(module, swin.WindowAttention):
            patch.setattr(module, "relative_position_index", module.relative_position_index.T)


@mistake("swin_t")
def merged_patches_in_row_order(patch, net):
    def forward(self, x):
        patches = [x[:, 0::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 0::2], x[:, 1::2, 1::2]]
        return self.reduction(self.norm(torch.cat(patches, -1)))

    patch.setattr(swin.PatchMerging, "forward", forward)
