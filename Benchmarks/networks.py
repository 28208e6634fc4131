"""The networks under measurement: seeded weights, exports for the peers, int8 forms; made once, kept in .bench/."""

import functools
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
CACHE = ROOT / ".bench"
HCQD = ROOT / ".build" / "release" / "hcqd"
SHIPPED = ROOT / "Models"
MODELS = {"resnet50": {"backbone": "resnet50"}, "swin_t": {"backbone": "swin_t"}, "shipped": None}
PEERS = ("openvino", "openvino-int8", "onnxruntime", "torch", "yolo11n", "hcqd", "hcqd-int8")


def run(*command: str | Path, folder: Path = ROOT) -> None:
    subprocess.run([str(part) for part in command], check=True, cwd=folder, stdout=subprocess.DEVNULL)


def shipped(int8: bool = False) -> Path | None:
    """The weights that ship: the largest fp32 file of Models/, or its int8 form."""
    files = [path for path in SHIPPED.glob("*.safetensors") if path.stem.endswith("int8") == int8]
    return max(files, key=lambda path: path.stat().st_size, default=None)


def exists(model: str) -> bool:
    return MODELS[model] is not None or shipped() is not None


@functools.cache
def weights(model: str) -> Path:
    """The model's weight file; for a configuration, seeded random weights."""
    if MODELS[model] is None:
        return shipped()
    path = CACHE / f"{model}.safetensors"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        configuration = CACHE / f"{model}.json"
        configuration.write_text(json.dumps(MODELS[model]))
        run(sys.executable, "-m", "hcqnet.new", "--config", configuration, "--seed", "1", "-o", path,
            folder=ROOT / "Training")
    return path


@functools.cache
def onnx(model: str, size: str) -> Path:
    """The twin's export of the model for one input size."""
    path = CACHE / f"{model}-{size}.onnx"
    source = weights(model)
    if not path.exists() or path.stat().st_mtime < source.stat().st_mtime:
        CACHE.mkdir(exist_ok=True)
        run(sys.executable, "-m", "hcqnet.onnx", source, "-o", path, "--size", size, folder=ROOT / "Training")
    return path


@functools.cache
def onnx_int8(model: str, size: str) -> Path:
    source, path = onnx(model, size), CACHE / f"{model}-{size}-int8.xml"
    if not path.exists() or path.stat().st_mtime < source.stat().st_mtime:
        run(sys.executable, HERE / "quantize.py", source, path, "--size", size)
    return path


@functools.cache
def weights_int8(model: str) -> Path | None:
    """hcqd's own int8 form; calibrated on noise where only speed is measured, the shipped file for the shipped model."""
    if MODELS[model] is None:
        return shipped(int8=True)
    source, path = weights(model), CACHE / f"{model}-int8.safetensors"
    if not path.exists() or path.stat().st_mtime < source.stat().st_mtime:
        run(HCQD, "model", "quantize", source, "--calibrate", "noise", "-o", path)
    return path


@functools.cache
def yolo(task: str, size: str) -> Path:
    path = CACHE / f"yolo11n-{task}-{size}.onnx"
    if not path.exists():
        import yolo11

        CACHE.mkdir(exist_ok=True)
        width, height = (int(side) for side in size.split("x"))
        yolo11.export(task, height, width, str(path))
    return path


@functools.cache
def macs(model: str, size: str) -> int:
    import macs as counter

    return counter.count(str(onnx(model, size)))[0]


def peer_command(peer: str, network: Path | str, size: str, threads: int) -> list[str]:
    return [sys.executable, str(HERE / "peer.py"), peer, str(network), "--size", size, "--threads", str(threads)]


def command(peer: str, model: str, size: str, threads: int) -> list[str] | None:
    """What runs `model` by `peer`; nil where there is nothing to run."""
    match peer:
        case "openvino" | "onnxruntime":
            return peer_command(peer, onnx(model, size), size, threads)
        case "openvino-int8":
            return peer_command(peer, onnx_int8(model, size), size, threads)
        case "torch":
            return peer_command(peer, weights(model), size, threads)
        case "hcqd" | "hcqd-int8":
            file = weights(model) if peer == "hcqd" else weights_int8(model)
            if file is None:
                return None
            return [str(HCQD), "bench", str(file), "--size", size, "--threads", str(threads), "--turns"]
    return None
