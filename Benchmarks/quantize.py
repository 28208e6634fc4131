"""An ONNX network quantised to int8 by NNCF, for OpenVINO.

    python quantize.py network.onnx network-int8.xml --size 640x384

Only speed is measured with it, so the calibration pictures are noise; the preset is NNCF's fastest (symmetric, every
layer that it can).
"""

import argparse

import nncf
import numpy
import openvino


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("output")
    parser.add_argument("--size", default="640x384", help="width x height")
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    random = numpy.random.default_rng(2)
    pictures = [random.standard_normal((1, 3, height, width), dtype=numpy.float32) for _ in range(2)]
    model = openvino.Core().read_model(arguments.network)
    quantized = nncf.quantize(model, nncf.Dataset(pictures), preset=nncf.QuantizationPreset.PERFORMANCE,
                              subset_size=len(pictures))
    openvino.save_model(quantized, arguments.output, compress_to_fp16=False)


if __name__ == "__main__":
    main()
