"""
Quantise a float network to int8 with power-of-two scales and zero-points 0, written with QuantizeLinear.

    %y = onnx.Conv(%x, %w, %b)                    %y = onnx.Conv(%xd, DequantizeLinear(%w8), DequantizeLinear(%b32))
    %z = onnx.Relu(%y)                       →    %z = onnx.Relu(%y)
                                                  %zq = onnx.QuantizeLinear(%z, %scale, %zero)
                                                  %zd = onnx.DequantizeLinear(%zq, %scale, %zero)

Activations are observed in ONNX Runtime, on the samples of the file `calibration` or on seeded ones. With `nominal`
nothing is observed and every activation is taken to lie in −1 … 1: where things run does not depend on it. With
`movers` even a network that only selects or moves elements is quantised.
`passes/quantization_points.py` says which tensors get a pair, `compiler/quantization/` which position: by `method`,
then made to fit shifts and accumulators. Each QuantizeLinear notes its position, the range that was seen and, if it had
to be lowered, why; the module notes the method, the samples and how many tensors there are.

A network that holds quantised operators already is left exactly as it is, and so is one that only moves elements of
whole words, which the array moves without looking at them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from rich.console import Console
from rich.progress import Progress
from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr, IntegerAttr, ModuleOp, StringAttr, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass

from compiler.errors import InputError
from compiler.onnxio.calibrate import Inputs, observe, read_samples, seeded_samples
from compiler.onnxio.exporter import export_with_names, main_function
from compiler.quantization.positions import Method, Observation, choose_position
from compiler.quantization.settle import Product, Settled, Sum, TensorProduct, settle
from dialects.onnx import OnnxOp, is_operator
from passes.graph import constant_of, nodes_of, sweep
from passes.quantization_points import Points, find_points, weight_operand
from passes.quantized_writer import QuantizedWriter, TensorChoice, WeightChoice
from passes.word_moves import only_moves_words

_QUANTISED = ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger")
_DEFAULT_SAMPLES = 4

SUMMARY = "onnx.quantization"
"""On the module: how its positions were chosen."""


@dataclass(frozen=True)
class OnnxQuantizePass(ModulePass):
    """See the module. `samples` is the number of seeded ones (4 by default), or at most how many of the file."""

    name = "onnx-quantize"

    calibration: str = ""
    samples: int | None = None
    seed: int = 0
    method: Method = "nonoverflow"
    nominal: bool = False
    movers: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.samples is not None and self.samples < 1:
            raise InputError(f"onnx-quantize: samples must be at least 1, but is {self.samples}")
        nodes = nodes_of(op)
        if any(is_operator(node, *_QUANTISED) for node in nodes):
            return
        if not self.movers and only_moves_words(op):
            return
        points = find_points(main_function(op).body.block.args, nodes, movers=self.movers)
        if not points.root_of:
            return
        observations = self._observe(op, points)
        settled = self._settled(points, observations)
        tensors = {
            root: TensorChoice(settled.tensors[index], seen, settled.tensor_reasons.get(index))
            for index, (root, seen) in enumerate(observations.items())
        }
        weights = {
            points.layers[index]: WeightChoice(position, settled.weight_reasons.get(index))
            for index, position in settled.weights.items()
        }
        QuantizedWriter(op, points, tensors, weights).write()
        sweep(op)
        op.attributes[SUMMARY] = self._summary(points, settled)

    def _observe(self, module: ModuleOp, points: Points) -> dict[SSAValue, Observation]:
        """What the root of every position holds on the calibration samples."""
        roots = list(dict.fromkeys(points.root_of.values()))
        if self.nominal:
            return {root: Observation.of(np.array([-1, 1], np.float32)) for root in roots}
        model, names = export_with_names(module)
        samples = list(self._samples(model))
        seen = observe(model, [names[root] for root in roots], _with_progress(samples))
        return {root: seen[names[root]] for root in roots}

    def _samples(self, model: onnx.ModelProto) -> Iterable[Inputs]:
        shapes = {
            value.name: tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)
            for value in model.graph.input
        }
        if self.calibration:
            return read_samples(Path(self.calibration), shapes, self.samples)
        others = [
            value.name for value in model.graph.input if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT
        ]
        if others:
            raise InputError(
                f"the input '{others[0]}' does not hold float32, so seeded numbers mean nothing to it; "
                "give calibration samples in an .npz file"
            )
        return seeded_samples(shapes, self.samples or _DEFAULT_SAMPLES, self.seed)

    def _settled(self, points: Points, observations: dict[SSAValue, Observation]) -> Settled:
        """Positions by the method, made to fit together; tensors by root, weights by layer number."""
        number = {root: index for index, root in enumerate(observations)}
        tensors = {number[root]: choose_position(seen, self.method) for root, seen in observations.items()}
        weights: dict[int, int] = {}
        products: list[Product] = []
        sums: list[Sum] = []
        tensor_products: list[TensorProduct] = []
        for index, layer in enumerate(points.layers):
            result = number[points.root_of[points.result_of(layer)]]
            sources = [number[points.root_of[value]] for value in layer.inputs if value in points.root_of]
            if (operand := weight_operand(layer)) is not None:
                values = constant_of(layer.inputs[operand])
                assert values is not None, f"{layer.describe()} was selected for its constant weight"
                # Outliers among weights are what a network has learnt, so they stay
                method = "nonoverflow" if self.method == "percentile" else self.method
                weights[index] = choose_position(Observation.of(values), method)
            if is_operator(layer, "MatMul") and operand is None:
                left, right = (number[points.root_of[value]] for value in layer.inputs)
                tensor_products.append(TensorProduct(layer.describe(), (left, right), result))
            elif is_operator(layer, "Conv", "ConvTranspose", "Gemm", "MatMul"):
                products.append(Product(layer.describe(), sources[0], index, result, _largest_bias(layer)))
            elif is_operator(layer, "Add", "Sub"):
                sums.append(Sum(layer.describe(), tuple(sources), result))
        return settle(tensors, weights, products, sums, tensor_products)

    def _summary(self, points: Points, settled: Settled) -> DictionaryAttr:
        source = self.calibration or f"seeded samples, seed {self.seed}"
        summary: dict[str, Attribute] = {
            "method": StringAttr(self.method),
            "calibration": StringAttr(source),
            "tensors": IntegerAttr(len(points.root_of), i64),
            "lowered": IntegerAttr(len(settled.tensor_reasons) + len(settled.weight_reasons), i64),
        }
        return DictionaryAttr(summary)


def _largest_bias(layer: OnnxOp) -> float:
    """The largest magnitude in the bias of a layer, 0 without one."""
    bias = constant_of(layer.inputs[2]) if len(layer.inputs) > 2 else None
    return 0.0 if bias is None else float(np.abs(bias).max(initial=0))


def _with_progress(samples: list[Inputs]) -> Iterator[Inputs]:
    """The samples, with a bar on standard error if that is a terminal."""
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        yield from progress.track(samples, description="Calibrating")
