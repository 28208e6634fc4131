"""AP of a network in training on the held-out pictures that are completely labelled: the accuracy curve."""

from __future__ import annotations

from pathlib import Path

from .data import read_json
from .evaluate import average_precision, find_entries, ground_truth, labelled_kinds, network_finder
from .hcqnet import HCQNet
from .predict import ENGINE_BOUNDS

FLAGS = ("boxes_complete", "masks_complete", "keypoints_complete")


class Accuracy:
    """Judges networks on at most `limit` pictures; kinds that these have no labels of are left out.

    Pictures are as large as fits into `bounds` (H, W).
    """

    def __init__(self, root: Path, held_out: dict[str, list[str]], limit: int = 100, bounds: tuple[int, int] = ENGINE_BOUNDS) -> None:
        self.bounds = bounds
        names = {}
        for name, files in held_out.items():
            file = root / name / "annotations.json"
            if file.exists():
                images = read_json(file)["images"]
                complete = {i["file_name"] for i in images if all(i.get(flag, True) for flag in FLAGS)}
                names[name] = [f for f in files if f in complete]
        self.coco, paths = ground_truth(root, list(names), names, None)
        self.paths = dict(list(paths.items())[:: -(-len(paths) // limit) or 1])
        chosen = [a for a in self.coco.dataset["annotations"] if a["image_id"] in self.paths]
        self.kinds = labelled_kinds(chosen)

    def __call__(self, net: HCQNet) -> dict[str, float]:
        """AP_bbox, AP_segm and AP_keypoints, as far as there are labels and the network tells joints."""
        entries = find_entries(self.coco, self.paths, network_finder(net.eval(), None, self.bounds))
        kinds = [kind for kind in self.kinds if kind != "keypoints" or net.config.has_pose]
        return {f"AP_{kind}": max(float(average_precision(self.coco, entries[kind], kind)[0]), 0.0) for kind in kinds}
