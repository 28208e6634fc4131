"""One peer in one process: loads a network, then times as many passes as each line of standard input asks for.

    python peer.py openvino network.onnx --size 640x384 --threads 4

Prints {"ready": ...} once, then a JSON list of milliseconds a line. `bench.py` starts several of these and asks them in
turn, so that all meet the same noise.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path


def openvino_fp32(arguments, image):
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # the default would be bf16, slower without AMX
        "INFERENCE_NUM_THREADS": arguments.threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    compiled = core.compile_model(core.read_model(arguments.network), "CPU", settings)
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(image, shared_memory=True))
    return request.infer


def onnx_runtime(arguments, image):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(arguments.network, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: image}
    return lambda: session.run(None, feed)


def torch_eager(arguments, image):
    import torch

    sys.path.insert(0, str(Path(__file__).parent.parent / "Training"))
    from hcqnet.weights import load

    torch.set_num_threads(arguments.threads)
    network = load(arguments.network)
    network.eval()
    tensor = torch.from_numpy(image)

    def run():
        with torch.inference_mode():
            network(tensor).outputs()

    return run


def matrix_product(arguments, image):
    """The machine's sgemm peak by numpy's OpenBLAS (as fast as MKL on Intel, twice as fast on AMD): 2048 x 1024 x 1024."""
    import numpy

    random = numpy.random.default_rng(3)
    a, b = random.random((2048, 1024), numpy.float32), random.random((1024, 1024), numpy.float32)
    out = numpy.empty((2048, 1024), numpy.float32)
    return lambda: numpy.matmul(a, b, out=out)


PEERS = {"openvino": openvino_fp32, "openvino-int8": openvino_fp32, "onnxruntime": onnx_runtime, "torch": torch_eager,
         "sgemm": matrix_product}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=sorted(PEERS))
    parser.add_argument("network")
    parser.add_argument("--size", default="640x384", help="width x height")
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(arguments.threads)
    import numpy

    width, height = (int(side) for side in arguments.size.split("x"))
    image = numpy.random.default_rng(1).standard_normal((1, 3, height, width), dtype=numpy.float32)
    run = PEERS[arguments.peer](arguments, image)
    run()
    print(json.dumps({"ready": arguments.peer}), flush=True)
    for line in sys.stdin:
        milliseconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            milliseconds.append(round(1000 * (time.perf_counter() - start), 4))
        print(json.dumps(milliseconds), flush=True)


if __name__ == "__main__":
    main()
