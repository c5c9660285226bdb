"""
ONNX Runtime on our own quantised graph: the second opinion about the integer reference.

The onnx module is exported as it stands, Quantize/DequantizeLinear nodes and all, and run with graph rewriting off.
Every QuantizeLinear output becomes an output of the model, so that all int8 tensors can be compared and the first that
differs can be named. With power-of-two scales every float32 operation of that graph is exact while accumulators stay
below 2**24, so the comparison is exact as well; the reference rounds nothing that ONNX Runtime does not.

With general scales float32 rounds where the reference has a multiplier of 31 bits, and one value that falls on the
other side of a tie changes everything behind it. Then each operator is compared alone: it reads the int8 tensors of the
reference instead of those that ONNX Runtime computed, and its result is at most one step away
(`compiler.quantization.scaling` has the proof).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
from onnx import TensorProto, helper
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr, i8
from xdsl.dialects.func import ReturnOp

from compiler.interpret.execution import VALUE_NAME, Arrays, Execution, entry_of
from compiler.onnxio.exporter import export_with_names
from compiler.onnxio.runtime import open_session, run_session
from dialects.bsr_attributes import element_type_of, shape_of
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_fixed_point import NotFixedPoint, position_of_linear


def has_general_scales(module: ModuleOp) -> bool:
    """Whether any quantised tensor of an onnx module needs more than a shift."""
    for op in module.walk():
        if isinstance(op, OnnxOp) and is_operator(op, "QuantizeLinear", "DequantizeLinear"):
            try:
                position_of_linear(op)
            except NotFixedPoint:
                return True
    return False


def run_operators_alone(module: ModuleOp, inputs: Mapping[str, npt.NDArray[Any]], tensors: Arrays) -> Execution:
    """Run a quantised onnx module in ONNX Runtime where every operator reads the given int8 `tensors` by name."""
    apart = module.clone()
    function = entry_of(apart).function
    block = function.body.block
    names = list(entry_of(apart).inputs)
    given: dict[str, npt.NDArray[Any]] = dict(inputs)
    for op in list(block.ops):
        if isinstance(op, OnnxOp) and is_operator(op, "QuantizeLinear") and op.output_names[:1]:
            name = op.output_names[0]
            if name not in tensors:
                continue
            argument = block.insert_arg(op.output.type, len(block.args))
            op.output.replace_uses_with_if(argument, lambda use: not isinstance(use.operation, ReturnOp))
            names.append(f"{name}/given")
            given[names[-1]] = tensors[name]
    function.arg_attrs = ArrayAttr([DictionaryAttr({VALUE_NAME: StringAttr(name)}) for name in names])
    return run_onnxruntime(apart, given)


def run_onnxruntime(module: ModuleOp, inputs: Mapping[str, npt.NDArray[Any]]) -> Execution:
    """Run a quantised onnx module in ONNX Runtime; `tensors` are the outputs of its QuantizeLinear nodes of int8."""
    entry = entry_of(module)
    bound = dict(zip(entry.inputs, entry.bind(inputs), strict=True))
    model, names = export_with_names(module)
    results = [output.name for output in model.graph.output]
    exported: dict[str, str] = {}
    for op in entry.function.body.block.ops:
        if not isinstance(op, OnnxOp) or not is_operator(op, "QuantizeLinear") or not op.output_names:
            continue
        if element_type_of(op.output.type) != i8:
            continue
        name = names[op.output]
        exported[op.output_names[0]] = name
        if name not in results:
            shape = list(shape_of(op.output.type))
            model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.INT8, shape))
    found = run_session(open_session(model), bound)
    return Execution(
        outputs={wanted: found[name] for wanted, name in zip(entry.outputs, results, strict=True)},
        tensors={wanted: found[name] for wanted, name in exported.items()},
    )
