"""TrackEval reads a MOTS file as truth and as result: python mots_figures.py FILE FRAMES prints {HOTA, detections, ids}."""

import contextlib
import io
import json
import pathlib
import shutil
import sys
import tempfile

import numpy as np
import trackeval


def figures(file, frames):
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        truth, results = pathlib.Path(folder, "truth", "s", "gt"), pathlib.Path(folder, "trackers", "t", "data")
        truth.mkdir(parents=True)
        results.mkdir(parents=True)
        shutil.copy(file, truth / "gt.txt")
        shutil.copy(file, results / "s.txt")
        dataset = trackeval.datasets.MOTSChallenge({
            "GT_FOLDER": str(truth.parent.parent), "TRACKERS_FOLDER": str(results.parent.parent),
            "SKIP_SPLIT_FOL": True, "SEQ_INFO": {"s": frames}, "PRINT_CONFIG": False})
        quiet = ["PRINT_RESULTS", "PRINT_CONFIG", "TIME_PROGRESS", "OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES"]
        evaluator = trackeval.Evaluator({key: False for key in quiet})
        results, _ = evaluator.evaluate([dataset], [trackeval.metrics.HOTA()])
    found = results["MOTSChallenge"]["t"]["s"]["pedestrian"]
    return {"HOTA": float(np.mean(found["HOTA"]["HOTA"])), "detections": found["Count"]["Dets"],
            "ids": found["Count"]["IDs"]}


if __name__ == "__main__":
    print(json.dumps(figures(sys.argv[1], int(sys.argv[2])), default=int))
