"""
The integer reference: what a quantised ONNX graph means, slow and obvious, and the judge of every level below.

The graph (Quantize/DequantizeLinear around each operator) is executed node by node.
Between a Dequantize and the next QuantizeLinear every value is an exact number (`compiler.interpret.exact_value`):
integers times a scale, for a mean with a divisor. Only QuantizeLinear rounds. That is ONNX's own meaning, without the
rounding of float32, from which it differs only where an accumulator needs more than 24 bits; and with general scales by
the rounding of the ratio of scales to a multiplier of 31 bits, which `compiler.quantization.scaling` bounds.

What has no exact form (Softmax, LRN) is computed by ONNX Runtime, node by node, from values rounded to
float32; so is the quantisation of the network's input. `rounding` changes how exact values are rounded, not those.

It shares the shift-and-round of `compiler.quantization.arithmetic` with the other levels but nothing of blocks or Γ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp, i8
from xdsl.ir import SSAValue

from compiler.errors import CapacityError
from compiler.interpret.exact import EXACT_OPERATORS, moved
from compiler.interpret.exact_value import Exact
from compiler.interpret.execution import Arrays, Execution, entry_of
from compiler.interpret.host import run_host_model
from compiler.onnxio.subgraph import subgraph_model
from compiler.quantization.arithmetic import LARGEST_ACCUMULATOR, Rounding, accumulator_bound
from compiler.quantization.scaling import ScaleError
from dialects.bsr_attributes import element_type_of
from dialects.onnx import ConstantOp, NoneOp, OnnxOp, is_operator
from dialects.onnx_fixed_point import NotFixedPoint, is_absent, is_constant, linear_of
from dialects.onnx_functions import PAIRS, function_of
from dialects.onnx_moves import MOVES
from dialects.onnx_transposed import weights_by_output

Value: TypeAlias = "npt.NDArray[Any] | Exact"


def run_reference(
    module: ModuleOp, inputs: Mapping[str, npt.NDArray[Any]], *, rounding: Rounding = "half_even"
) -> Execution:
    """Run the quantised onnx module; `tensors` are the int8 outputs of its QuantizeLinear nodes."""
    entry = entry_of(module)
    block = entry.function.body.block
    values: dict[SSAValue, Value] = dict(zip(block.args, entry.bind(inputs), strict=True))
    last_use = {operand: op for op in block.ops for operand in op.operands}
    tensors: Arrays = {}
    for op in block.ops:
        if isinstance(op, ConstantOp):
            values[op.output] = op.array()
        elif isinstance(op, OnnxOp):
            values.update(zip(op.outputs, _execute(module, op, values, rounding), strict=True))
            if is_operator(op, "QuantizeLinear") and _is_int8(op) and op.output_names:
                tensors[op.output_names[0]] = _array(values[op.output])
        if op is not entry.terminator:
            for operand in set(op.operands):
                if last_use[operand] is op:
                    values.pop(operand, None)
    outputs = [_array(values[value]) for value in entry.terminator.arguments]
    return Execution(dict(zip(entry.outputs, outputs, strict=True)), tensors)


def _array(value: Value) -> npt.NDArray[Any]:
    return value.real() if isinstance(value, Exact) else value


def _execute(module: ModuleOp, op: OnnxOp, values: Mapping[SSAValue, Value], rounding: Rounding) -> list[Value]:
    """The results of one node: exact if there is such a form, by ONNX Runtime otherwise."""
    exact = _moved(op, values) if is_operator(op, *MOVES) else [_exact(op, values, rounding)]
    if is_operator(op, "Resize") and exact == [None]:
        exact = [_exact(op, values, rounding)]
    found = [value for value in exact if value is not None]
    return found if len(found) == len(op.outputs) else _in_floating_point(module, op, values)


def _moved(op: OnnxOp, values: Mapping[SSAValue, Value]) -> list[Exact | None]:
    source = values.get(op.inputs[0])
    return [moved(value, source if isinstance(source, Exact) else None) for value in op.outputs]


def _exact(op: OnnxOp, values: Mapping[SSAValue, Value], rounding: Rounding) -> Value | None:
    source = values.get(op.inputs[0]) if op.inputs else None
    if is_operator(op, "QuantizeLinear", "DequantizeLinear"):
        return _linear(op, source, rounding)
    operator = EXACT_OPERATORS.get(op.operator)
    if operator is None:
        return None
    # a function of one value is a table, which the host computes in floating point
    if is_operator(op, *PAIRS) and function_of(op.output) is not None:
        return None
    operands = [values.get(operand) for operand in op.inputs]
    exact = [operand if isinstance(operand, Exact) else None for operand in operands]
    if is_operator(op, "Conv", "ConvTranspose", "Gemm", "MatMul"):
        _prove_accumulator(op, exact)
    return operator(op, exact)


def _linear(op: OnnxOp, source: Value | None, rounding: Rounding) -> Value | None:
    """A Quantize or DequantizeLinear, where it is exact."""
    try:
        linear = linear_of(op)
        if is_operator(op, "QuantizeLinear"):
            if not isinstance(source, Exact) or not _is_int8(op):
                return None
            return source.quantised(linear.scale, linear.zero_point, rounding)
    except (NotFixedPoint, ScaleError):
        return None
    if not isinstance(source, np.ndarray) or source.dtype.name not in ("int8", "int32"):
        return None
    scales = linear.scales.astype(np.float64)
    scale = scales[0].reshape(()) if scales.size == 1 else linear.along(scales, source.ndim)
    zeros = linear.along(linear.zero_points, source.ndim) if linear.zero_points.size > 1 else linear.zero_points[0]
    return Exact(source - zeros if np.any(zeros) else source, scale)


def _is_int8(op: OnnxOp) -> bool:
    """The zero-point decides the type that QuantizeLinear gives; without one it is uint8."""
    return element_type_of(op.output.type) == i8


def _prove_accumulator(op: OnnxOp, operands: list[Exact | None]) -> None:
    """Refuse a layer whose int32 accumulator some input could overflow. Weights are the second operand."""
    source, weights, bias = operands[0], operands[1], operands[2] if len(operands) > 2 else None
    if source is None or weights is None or not is_constant(op.inputs[1]):
        return
    by_output = weights.integers
    if is_operator(op, "ConvTranspose"):
        by_output = weights_by_output(by_output, op.integer("group", 1))
    elif not is_operator(op, "Conv") and not op.integer("transB", 0):
        by_output = by_output.T
    biases = np.zeros(1, np.int64)
    if bias is not None and not is_absent(op.inputs[2]):
        biases = bias.integers.reshape(-1)
    bound = accumulator_bound(by_output, biases, 128 if source.integers.dtype == np.int8 else 255)
    if bound > LARGEST_ACCUMULATOR:
        raise CapacityError(
            f"{op.describe()}: its accumulator can reach {bound}, and int32 holds {LARGEST_ACCUMULATOR}; "
            "weights at a coarser position (smaller integers) or fewer input channels would fit"
        )


def _in_floating_point(module: ModuleOp, op: OnnxOp, values: Mapping[SSAValue, Value]) -> list[Value]:
    inputs = [value for value in dict.fromkeys(op.operands) if not isinstance(value.owner, ConstantOp | NoneOp)]
    model = subgraph_model(module, [op], inputs, op.outputs)
    return list(run_host_model(model.SerializeToString(), [_array(values[value]) for value in inputs]))
