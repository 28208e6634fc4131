"""Backbones: image [B, 3, H, W] -> maps at strides 4, 8, 16, 32; `channels` says how many channels each has."""

from __future__ import annotations

from torch import nn

from ..config import Config
from .esnet_pan import ESNetPAN
from .resnet import RESNETS, ResNet
from .swin import SWINS, Swin


def make_backbone(config: Config) -> nn.Module:
    """The backbone that `config.backbone` names, with PyTorch's default initialisation."""
    if config.backbone in RESNETS:
        return ResNet(*RESNETS[config.backbone])
    if config.backbone == "esnet_pan":
        return ESNetPAN()
    return Swin(*SWINS[config.backbone], window=config.swin_window)


__all__ = ["make_backbone", "ESNetPAN", "ResNet", "Swin", "RESNETS", "SWINS"]
