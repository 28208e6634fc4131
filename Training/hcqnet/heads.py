"""Task heads: class, mask, box and pose of one query from its embedding and keypoints (section 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .config import CLASSES, Config
from .keypoints import image_keys
from .layers import MLP, inverse_sigmoid


class RegressionHead(MLP):
    """An MLP whose hidden vector also gives a sigma in 0...1 for every number it regresses.

    `sigma` is None for a weight file without these tensors.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__(inputs, hidden, outputs)
        self.sigma: nn.Linear | None = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """x: [..., inputs] -> values and sigmas, both [..., outputs]."""
        hidden = self.hidden(x)
        sigma = None if self.sigma is None else self.sigma(hidden).sigmoid()
        return self.layers[2](hidden), sigma


@dataclass
class Refined:
    """Keypoints after one refinement."""

    keys: Tensor  # K, [B, Q, key_dim]
    keypoints: Tensor  # K and whatever joints are predicted beside it, [B, Q, output_key_dim]
    box_sigma: Tensor | None  # [B, Q, 4]
    pose_sigma: Tensor | None  # [B, Q, 2 joints]


class Heads(nn.Module):
    """All heads. `position` in their calls is the structural embedding K -> P of Eq. 3."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        dim = config.hidden_dim
        keys = config.key_dim if config.keys_in_heads else 0
        condition = dim if keys and config.head_condition == "embedding" else keys
        self.cls = nn.Linear(dim, CLASSES)
        self.mask = MLP(dim + condition, dim, dim)
        self.box = RegressionHead(dim + condition, dim, 4)
        self.pose = RegressionHead(dim + keys, dim, 2 * config.joints) if config.has_pose else None

    def refine(self, embedding: Tensor, keys: Tensor, position: Callable[[Tensor], Tensor]) -> Refined:
        """K <- sigmoid(inverse_sigmoid(K) + cat(box, pose)), both heads reading K from before the update.

        embedding: E', [B, Q, D]; keys: K, [B, Q, key_dim].
        """
        delta, box_sigma = self.box(self._conditioned(embedding, keys, position))
        joints = pose_sigma = None
        if self.pose is not None:
            joints, pose_sigma = self.pose(torch.cat([embedding, keys], -1) if self.config.keys_in_heads else embedding)
        if self.config.pose_in_keys:
            delta = torch.cat([delta, joints], -1)
        keys = (inverse_sigmoid(keys) + delta).sigmoid()
        keypoints = keys
        if self.config.has_pose and not self.config.pose_in_keys:
            keypoints = torch.cat([keys, joints.sigmoid().to(keys.dtype)], -1)
        return Refined(keys, keypoints, box_sigma, pose_sigma)

    def mask_embedding(self, embedding: Tensor, keys: Tensor, position: Callable[[Tensor], Tensor]) -> Tensor:
        """The vector whose product with `mask_features` is the mask's logits: [B, Q, D]. keys: K after the update."""
        return self.mask(self._conditioned(embedding, keys, position))

    def _conditioned(self, embedding: Tensor, keys: Tensor, position: Callable[[Tensor], Tensor]) -> Tensor:
        """What the mask and box heads read (Table 2)."""
        if not self.config.keys_in_heads:
            return embedding
        if self.config.head_condition == "embedding":
            return torch.cat([embedding, position(keys)], -1)
        return torch.cat([embedding, image_keys(keys, self.config) if self.config.head_condition == "image" else keys], -1)
