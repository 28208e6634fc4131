"""Multiply-accumulates and parameters of an ONNX file: convolutions and matrix products."""

import math
import os
import tempfile

import onnx
import onnxruntime
from onnx import shape_inference


def shapes_of(graph) -> dict[str, list[int]]:
    """Static shape of every value, by name."""
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in [*graph.input, *graph.output, *graph.value_info]:
        dimensions = value.type.tensor_type.shape.dim
        shapes[value.name] = [d.dim_value for d in dimensions]
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            shapes[node.output[0]] = list(node.attribute[0].t.dims)
    return shapes


def node_macs(node, shapes: dict[str, list[int]]) -> int:
    if node.op_type == "Conv":
        return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type == "ConvTranspose":
        return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type in ("MatMul", "Gemm"):
        transposed = any(a.name == "transA" and a.i for a in node.attribute)
        return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if transposed else -1]
    return 0


def count(path: str) -> tuple[int, int]:
    """Returns (multiply-accumulates, parameters)."""
    with tempfile.TemporaryDirectory() as folder:
        # Constants folded first: else the shapes behind a traced `view` stay unknown.
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = os.path.join(folder, "folded.onnx")
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        folded = onnx.load(options.optimized_model_filepath)
    model = shape_inference.infer_shapes(folded, data_prop=True)
    shapes = shapes_of(model.graph)
    macs = sum(node_macs(node, shapes) for node in model.graph.node)
    parameters = sum(math.prod(t.dims) for t in model.graph.initializer if len(t.dims) > 0)
    return macs, parameters
