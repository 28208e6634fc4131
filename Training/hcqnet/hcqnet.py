"""HCQNet (Son et al., "Object-Centric Multi-Task Learning for Human Instances"), in the paper's order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from . import init
from .backbones import make_backbone
from .config import Config
from .decoder import Decoder, LayerOutput
from .heads import Heads
from .keypoints import image_joints
from .pixel_decoder import Features, PixelDecoder


@dataclass
class Prediction:
    """What the queries say after one layer."""

    class_logits: Tensor  # [B, Q, 2]: person, nothing
    mask_embeddings: Tensor  # [B, Q, D]
    mask_features: Tensor  # [B, D, H/4, W/4]
    keypoints: Tensor  # [B, Q, 4 + 2 joints]: K after the update
    joints: Tensor  # [B, Q, joints, 2]: normalised image coordinates
    embeddings: Tensor  # [B, Q, D]: E'
    box_sigma: Tensor | None  # [B, Q, 4]
    pose_sigma: Tensor | None  # [B, Q, 2 joints]

    @property
    def mask_logits(self) -> Tensor:
        """[B, Q, H/4, W/4]; multiplied out on every access, so that training can sample points instead."""
        height, width = self.mask_features.shape[2:]
        return (self.mask_embeddings @ self.mask_features.flatten(2)).unflatten(2, (height, width))

    def outputs(self) -> dict[str, Tensor]:
        """Every output by the name it has in files."""
        names = ("class_logits", "mask_logits", "keypoints", "joints", "embeddings", "box_sigma", "pose_sigma")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class HCQNet(nn.Module):
    """Box, mask and joints of every person in a picture, one query each."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.backbone = make_backbone(config)
        self.pixel_decoder = PixelDecoder(config, self.backbone.channels)
        self.decoder = Decoder(config)
        self.heads = Heads(config)
        init.for_training(self)

    def forward(self, image: Tensor) -> Prediction:
        """image: [B, 3, H, W], normalised, sides multiples of 32 -> the answer after the last layer."""
        features = self.encode(image)
        return self.predict(self.decode(features)[-1], features)

    def all_layers(self, image: Tensor) -> list[Prediction]:
        """The answers on the initial queries and after each layer, for the auxiliary losses; the last is `forward`'s."""
        features = self.encode(image)
        return [self.predict(output, features) for output in self.decode(features)]

    def encode(self, image: Tensor) -> Features:
        """image: [B, 3, H, W] -> three levels of tokens and the mask features."""
        height, width = image.shape[-2:]
        if image.dim() != 4 or image.shape[1] != 3 or height % 32 or width % 32:
            raise ValueError(f"image has shape {list(image.shape)}, expected [B, 3, H, W] with sides multiples of 32")
        return self.pixel_decoder(self.backbone(image))

    def decode(self, features: Features) -> list[LayerOutput]:
        """The learned queries through the decoder."""
        embedding, keys = self.decoder.start(features.tokens.shape[0])
        return self.decoder(embedding, keys, features, self.heads)

    def predict(self, output: LayerOutput, features: Features) -> Prediction:
        """Class and mask of one layer's queries, beside their keypoints."""
        embedding, refined = output.embedding, output.refined
        return Prediction(
            class_logits=self.heads.cls(embedding),
            mask_embeddings=self.heads.mask_embedding(embedding, refined.keys, self.decoder.position),
            mask_features=features.mask_features,
            keypoints=refined.keypoints,
            joints=image_joints(refined.keypoints, self.config),
            embeddings=embedding,
            box_sigma=refined.box_sigma,
            pose_sigma=refined.pose_sigma,
        )

    @torch.inference_mode()
    def infer(self, image: Tensor) -> dict[str, Tensor]:
        """`forward` without gradients, in evaluation mode -> the outputs by name."""
        self.eval()
        return self(image).outputs()
