"""More planted mistakes: attention and positions, pixel decoder and backbones."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from mistakes import around, mistake
from torch import Tensor

from hcqnet import decoder as decoder_module
from hcqnet import layers
from hcqnet import pixel_decoder as pixel_module
from hcqnet.backbones import resnet, swin
from hcqnet.decoder import DecoderLayer
from hcqnet.layers import SelfAttention
from hcqnet.pixel_decoder import EncoderAttention, EncoderLayer

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
    around(patch, SelfAttention, "forward", lambda original, self, query, value, mask=None: original(
        self, query, query, mask))  # fmt: skip


@mistake()
def sine_and_cosine_swapped(patch, net):
    def swapped(original, x, dim):
        return original(x, dim).unflatten(-1, (-1, 2)).flip(-1).flatten(-2)

    around(patch, decoder_module, "sine_code", swapped)


@mistake()
def sines_first_cosines_after(patch, net):
    def halves(original, x, dim):
        code = original(x, dim)
        return torch.cat([code[..., 0::2], code[..., 1::2]], -1)

    around(patch, layers, "sine_code", halves)


@mistake()
def position_with_x_before_y(patch, net):
    around(patch, pixel_module, "sine_position", lambda original, *args: torch.cat(
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
    around(patch, EncoderAttention, "forward", lambda original, self, query, tokens, shapes: original(
        self, query, query, shapes))  # fmt: skip


@mistake()
def position_left_out_of_cross_attention(patch, net):
    def forward(original, self, embedding, position, keys, features, mask):
        cross = self.cross_attn.forward
        patch.setattr(self.cross_attn, "forward", lambda query, *rest: cross(query - position, *rest))
        result = original(self, embedding, position, keys, features, mask)
        patch.setattr(self.cross_attn, "forward", cross)
        return result

    around(patch, DecoderLayer, "forward", forward)


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
    around(patch, F, "interpolate", lambda original, x, size, **_: original(x, size, mode="nearest"))


@mistake()
def stride_8_map_upsampled_with_aligned_corners(patch, net):
    around(patch, F, "interpolate", lambda original, x, size, **_: original(
        x, size, mode="bilinear", align_corners=True))  # fmt: skip


@mistake()
def no_relu_after_the_stride_4_convolution(patch, net):
    # No map of the backbones has D = 96 channels.
    around(patch, F, "relu", lambda original, x: x if x.dim() == 4 and x.shape[1] == 96 else original(x))


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
    around(patch, swin, "shift_mask", lambda original, *args: original(*args) * 0)


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
