"""HCQNet (Son et al., "Object-Centric Multi-Task Learning for Human Instances"), in the paper's order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from . import init
from .backbones import make_backbone
from .backbones.esnet_pan import NECK_CHANNELS
from .backbones.lite_hrnet import LiteHRNet
from .config import Config
from .decoder import Decoder, LayerOutput
from .heads import Heads
from .keypoints import image_joints
from .pixel_decoder import Features, PixelDecoder
from .proposals import ProposalHead, positions, select, starting_logits


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
    canonical_margin: float = 0.0
    image_space: bool = False  # joints in K are image coordinates

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
        self.tower = LiteHRNet() if config.tower else None
        self.pixel_decoder = PixelDecoder(config, self.backbone.channels)
        self.proposals = ProposalHead(NECK_CHANNELS) if config.query_start == "proposals" else None
        self.decoder = Decoder(config)
        self.heads = Heads(config)
        init.for_training(self)

    def forward(self, image: Tensor, chosen: Tensor | None = None) -> Prediction:
        """image: [B, 3, H, W], normalised, sides multiples of 32 -> the answer after the last layer.

        chosen: [B, Q], positions of the proposals that start the queries, in place of the network's own choice.
        """
        features = self.encode(image, chosen)
        return self.predict(self.decode(features)[-1], features)

    def all_layers(self, image: Tensor) -> list[Prediction]:
        """The answers on the initial queries and after each layer, for the auxiliary losses; the last is `forward`'s."""
        features = self.encode(image)
        return [self.predict(output, features) for output in self.decode(features)]

    def encode(self, image: Tensor, chosen: Tensor | None = None, masks: bool = True) -> Features:
        """image: [B, 3, H, W] -> three levels of tokens, the mask features, and the proposals that start the queries."""
        height, width = image.shape[-2:]
        if image.dim() != 4 or image.shape[1] != 3 or height % 32 or width % 32:
            raise ValueError(f"image has shape {list(image.shape)}, expected [B, 3, H, W] with sides multiples of 32")
        maps = self.backbone(image)
        features = self.pixel_decoder(maps, None if self.tower is None else self.tower(image), masks)
        if self.proposals is not None:
            features.proposals = self.proposals(maps[1:], (height, width))
            if chosen is None:
                found = features.proposals
                chosen = select(found.logits, found.boxes, self.config.queries, self.config.proposal_nms)
            features.chosen = chosen
        return features

    def decode(self, features: Features) -> list[LayerOutput]:
        """The learned queries, or those that start from proposals, through the decoder."""
        if features.proposals is None:
            embedding, keys = self.decoder.start(features.tokens.shape[0])
        else:
            chosen = positions(features.chosen)[..., None]
            embedding, keys = self.decoder.start_from(
                features.proposals.features.take_along_dim(chosen, 1),
                features.proposals.boxes.take_along_dim(chosen, 1).detach(),
                features.joint_maps,
            )
        return self.decoder(embedding, keys, features, self.heads)

    def predict(self, output: LayerOutput, features: Features) -> Prediction:
        """Class and mask of one layer's queries, beside their keypoints."""
        embedding, refined = output.embedding, output.refined
        class_logits = self.heads.cls(embedding)
        if features.proposals is not None:
            # The proposal's own logit is where the person's starts.
            prior = starting_logits(features.proposals.logits, features.chosen)
            class_logits = torch.stack([class_logits[..., 0] + prior, class_logits[..., 1]], -1)
        return Prediction(
            class_logits=class_logits,
            mask_embeddings=self.heads.mask_embedding(embedding, refined.keys, self.decoder.position),
            mask_features=features.mask_features,
            keypoints=refined.keypoints,
            joints=image_joints(refined.keypoints, self.config),
            embeddings=embedding,
            box_sigma=refined.box_sigma,
            pose_sigma=refined.pose_sigma,
            canonical_margin=self.config.canonical_margin,
            image_space=self.config.keypoint_space == "image",
        )

    @torch.inference_mode()
    def infer(self, image: Tensor) -> dict[str, Tensor]:
        """`forward` without gradients, in evaluation mode -> the outputs by name."""
        self.eval()
        return self(image).outputs()
