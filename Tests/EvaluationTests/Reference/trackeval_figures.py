"""What TrackEval says of MOTChallenge results.

python trackeval_figures.py mot15 NAME GT RESULT FRAMES [NAME GT RESULT FRAMES ...]

Prints JSON: {sequence or "combined": {figure: value}}, shares as 0...1, under the names that `hcqd eval mot` uses.
"""

import contextlib
import io
import json
import pathlib
import shutil
import sys
import tempfile

import numpy as np
import trackeval

HOTA = ["HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr"]
CLEAR = {"MOTA": "MOTA", "MOTP": "MOTP", "Recall": "CLR_Re", "Precision": "CLR_Pr", "IDSW": "IDSW", "Frag": "Frag",
         "TP": "CLR_TP", "FP": "CLR_FP", "FN": "CLR_FN", "MT": "MT", "PT": "PT", "ML": "ML"}
IDENTITY = ["IDF1", "IDP", "IDR", "IDTP", "IDFP", "IDFN"]


def figures(benchmark, sequences):
    """sequences: (name, truth file, result file, frames)."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        truth, results = pathlib.Path(folder, "truth"), pathlib.Path(folder, "trackers", "t", "data")
        results.mkdir(parents=True)
        for name, truth_file, result_file, _ in sequences:
            (truth / name / "gt").mkdir(parents=True)
            shutil.copy(truth_file, truth / name / "gt" / "gt.txt")
            shutil.copy(result_file, results / f"{name}.txt")
        dataset = trackeval.datasets.MotChallenge2DBox({
            "GT_FOLDER": str(truth), "TRACKERS_FOLDER": str(results.parent.parent), "BENCHMARK": benchmark.upper(),
            "SKIP_SPLIT_FOL": True, "SEQ_INFO": {s[0]: int(s[3]) for s in sequences}, "PRINT_CONFIG": False})
        quiet = ["PRINT_RESULTS", "PRINT_CONFIG", "TIME_PROGRESS", "OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES"]
        evaluator = trackeval.Evaluator({key: False for key in quiet})
        metrics = [trackeval.metrics.HOTA()] + [
            metric({"PRINT_CONFIG": False}) for metric in (trackeval.metrics.CLEAR, trackeval.metrics.Identity)]
        results, _ = evaluator.evaluate([dataset], metrics)
    named = {}
    for sequence, found in results["MotChallenge2DBox"]["t"].items():
        found = found["pedestrian"]
        values = {name: np.mean(found["HOTA"][name]) for name in HOTA}
        values |= {name: found["CLEAR"][key] for name, key in CLEAR.items()}
        values |= {name: found["Identity"][name] for name in IDENTITY}
        named["combined" if sequence == "COMBINED_SEQ" else sequence] = {k: float(v) for k, v in values.items()}
    return named


if __name__ == "__main__":
    rest = sys.argv[2:]
    print(json.dumps(figures(sys.argv[1], [rest[i:i + 4] for i in range(0, len(rest), 4)])))
