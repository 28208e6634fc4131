"""Imports torchvision beside a CPU build of PyTorch: its wheel lacks the two C++ operators that its import registers."""

import torch

try:
    import torchvision
except RuntimeError:
    _library = torch.library.Library("torchvision", "FRAGMENT")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

__all__ = ["torchvision"]
