"""RealNVP (Dinh et al. 2017, arXiv:1605.08803) in two dimensions: the error density of residual log-likelihood."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LAYERS, HIDDEN = 6, 64


class RealNVP(nn.Module):
    """`log_prob` of points `[n, 2]` under a standard normal pulled through six coupling layers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.tensor([[0.0, 1.0], [1.0, 0.0]] * (LAYERS // 2)), persistent=False)

        def net(last: nn.Module | None) -> nn.Sequential:
            parts = [nn.Linear(2, HIDDEN), nn.LeakyReLU(), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(), nn.Linear(HIDDEN, 2)]
            for part in parts[::2]:
                nn.init.xavier_uniform_(part.weight, gain=0.01)
            return nn.Sequential(*parts, *([last] if last else []))

        self.scale = nn.ModuleList(net(nn.Tanh()) for _ in range(LAYERS))
        self.shift = nn.ModuleList(net(None) for _ in range(LAYERS))

    def log_prob(self, x: Tensor) -> Tensor:
        """`[n, 2]` to `[n]`."""
        z, determinant = x, x.new_zeros(x.shape[0])
        for i in reversed(range(LAYERS)):
            kept = self.mask[i] * z
            scale, shift = self.scale[i](kept) * (1 - self.mask[i]), self.shift[i](kept) * (1 - self.mask[i])
            z = (1 - self.mask[i]) * (z - shift) * (-scale).exp() + kept
            determinant = determinant - scale.sum(1)
        return determinant - 0.5 * (z * z).sum(1) - math.log(2 * math.pi)


def rle_loss(error: Tensor, sigma: Tensor, flow: RealNVP | None) -> Tensor:
    """Residual log-likelihood (Li et al. 2021, arXiv:2107.11291) of `error` and `sigma`, `[n, 2]`, to `[n, 2]`.

    With u = error / sigma, for each coordinate: log(sigma) - log G(u) from the flow, G being the density of the pair, and the
    Laplace density's log(2 sigma) + |u| as the residual base: the sum of the authors' published code. Without a flow the Laplace part.
    """
    scaled = error / sigma
    if flow is None:
        return sigma.log() + math.log(2) + scaled.abs()
    return 2 * sigma.log() + math.log(2) - flow.log_prob(scaled)[:, None] + scaled.abs()
