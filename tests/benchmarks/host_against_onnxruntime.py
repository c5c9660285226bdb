"""
Block-sparse on this processor against dense int8 in ONNX Runtime, each on one thread.

    python tests/benchmarks/host_against_onnxruntime.py [MODEL]

Both run ResNet-50, or the network that is given, with the same seeded weights and image. ONNX Runtime gets it as
its own tools quantise it for the CPU: BatchNormalization folded, and QDQ nodes with signed weights and signed (S8S8) or
unsigned (U8S8) activations, which its optimiser turns into QLinearConv; signed ones also with
`session.qdqisint8allowed`, and the better of the two counts. The time is processor time of the one thread that runs,
the least of all runs: what else the machine does only adds to it. All networks run in turn, so that they share what
disturbs them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from compiler.api import compile_model
from compiler.frontend.load import load_model
from compiler.jit.machine import require_jit

SPARSITIES = (0.0, 0.5, 0.75, 0.9)
ROUNDS = 30
Run = Callable[[], object]


class OneImage(CalibrationDataReader):
    """A single image to calibrate on: the time does not depend on the ranges."""

    def __init__(self, inputs: Mapping[str, Any]):
        self.images = iter([dict(inputs)])

    def get_next(self) -> dict[str, Any] | None:
        """The image, then nothing."""
        return next(self.images, None)


def dense_networks(model: onnx.ModelProto, inputs: Mapping[str, Any], directory: Path) -> dict[str, Run]:
    """The network in ONNX Runtime, by what is signed."""
    for node in model.graph.node:
        if node.op_type == "Sum" and len(node.input) == 2:
            node.op_type = "Add"  # the same, and ONNX Runtime has an integer kernel for it
    onnx.save(model, directory / "float.onnx")
    quant_pre_process(str(directory / "float.onnx"), str(directory / "folded.onnx"), skip_symbolic_shape=True)
    runs: dict[str, Run] = {}
    for name, kind in (("U8S8", QuantType.QUInt8), ("S8S8", QuantType.QInt8)):
        path = directory / f"{name}.onnx"
        quantize_static(
            str(directory / "folded.onnx"),
            str(path),
            OneImage(inputs),
            quant_format=QuantFormat.QDQ,
            activation_type=kind,
            weight_type=QuantType.QInt8,
        )
        runs[name] = session(path, inputs, "0")
    runs["S8S8, int8 allowed"] = session(directory / "S8S8.onnx", inputs, "1")
    return runs


def session(path: Path, inputs: Mapping[str, Any], int8_allowed: str) -> Run:
    """A model on one thread, with all optimisations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.qdqisint8allowed", int8_allowed)
    opened = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda: opened.run(None, dict(inputs))


def least_milliseconds(runs: Mapping[str, Run]) -> dict[str, float]:
    """Every network's least time of many runs, taken in turn."""
    least = dict.fromkeys(runs, float("inf"))
    for _ in range(ROUNDS):
        for name, run in runs.items():
            run()  # the caches are full of another network
            start = time.thread_time()
            run()
            least[name] = min(least[name], 1000 * (time.thread_time() - start))
    return least


def main(arguments: list[str]) -> int:
    """Print the table."""
    require_jit("this comparison")
    name = arguments[0] if arguments else "zoo:resnet50"
    runs: dict[str, Run] = {}
    inputs: Mapping[str, Any] = {}
    for sparsity in SPARSITIES:
        compilation = compile_model(name, sparsity=sparsity, until="bsr")
        inputs = compilation.inputs(0)
        network = compilation.on_host()
        runs[f"{sparsity:.0%} of blocks pruned"] = lambda network=network, inputs=inputs: network.run(inputs)
        print(f"{network.processor.name}, {network.dots.name}: {network.compiled} operations compiled", file=sys.stderr)
    with tempfile.TemporaryDirectory() as directory:
        dense = dense_networks(load_model(name), inputs, Path(directory))
        least = least_milliseconds({**runs, **dense})
    signed = min(least[name] for name in dense if name.startswith("S8S8"))
    unsigned = least["U8S8"]
    print("| network | ms | S8S8 / this | U8S8 / this |\n|---|---|---|---|")
    for name, milliseconds in least.items():
        print(f"| {name} | {milliseconds:.1f} | {signed / milliseconds:.2f} | {unsigned / milliseconds:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
