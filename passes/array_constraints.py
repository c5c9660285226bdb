"""
What ONNX nodes have to be like for the array: one function per rule, whose docstring is the rule as users read it.

A rule looks at a node, its attributes, its shapes and its constants, never at scales, so it holds for float and for
quantised graphs alike. It returns None, or what it found instead. Which operators have which rules: `array_rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from dialects.onnx import ConstantOp, OnnxOp, is_operator
from dialects.onnx_fixed_point import constant_of, is_absent
from dialects.onnx_functions import operands_of
from dialects.onnx_linear import linear_lines
from dialects.onnx_moves import LARGEST_WEIGHTS, MOST_PHASES
from dialects.onnx_reductions import reduced_axes, reduced_count
from dialects.onnx_transposed import transposed_window
from dialects.onnx_window import shape_of_value, window_of
from passes.regular_moves import selection_of
from passes.repeated_maps import is_repetition, repetition_fault
from passes.token_rows import is_of_tokens

Rule: TypeAlias = Callable[[OnnxOp], str | None]


def _parameter(value: SSAValue) -> npt.NDArray[Any] | None:
    """A constant as it stands, or the integers behind a DequantizeLinear."""
    producer = value.owner
    if isinstance(producer, OnnxOp) and is_operator(producer, "DequantizeLinear"):
        value = producer.inputs[0]
    if isinstance(value.owner, ConstantOp) and not value.owner.is_numeric:
        return None
    return constant_of(value)


def _shape(value: SSAValue) -> str:
    shape = shape_of_value(value)
    return "unknown shape" if shape is None else f"shape {'x'.join(map(str, shape)) or 'of a scalar'}"


def _is_map(value: SSAValue) -> bool:
    shape = shape_of_value(value)
    return shape is not None and len(shape) == 4 and shape[0] == 1 and 0 not in shape


def _is_vector(value: SSAValue) -> bool:
    shape = shape_of_value(value)
    return shape is not None and len(shape) == 2 and shape[0] == 1 and 0 not in shape


def _not_on_array(value: SSAValue) -> str:
    return f"a tensor of {_shape(value)}, and the array has maps 1xCxHxW and vectors 1xK"


def reads_a_map(node: OnnxOp) -> str | None:
    """The input is a map 1xCxHxW whose sizes are known."""
    return None if _is_map(node.inputs[0]) else f"its input is {_not_on_array(node.inputs[0])}"


def reads_rows(node: OnnxOp) -> str | None:
    """The first input is a vector 1xK, or rows of a tensor of at least two dimensions whose sizes are known."""
    shape = shape_of_value(node.inputs[0])
    if shape is not None and len(shape) > 1 and 0 not in shape:
        return None
    return f"its first input is a tensor of {_shape(node.inputs[0])}, which has no rows"


MOST_ELEMENTS = 8192
"""Of a tensor that lies in memory as one pixel, which nothing can split by rows."""


MOST_CONCATENATED = 2048
"""Of tensors that are no maps: their elements are put into order by a matrix."""


def gives_tokens_or_a_tensor_of_known_size(node: OnnxOp) -> str | None:
    """
    The result is a map 1xCxHxW, a vector 1xK, or another tensor of at most 8192 elements; its sizes are known. Or one
    operand is what a matrix product gives, or a sum of such: then it may have any size.
    """
    return None if is_of_tokens(node) else few_elements_fault(node)


def gives_a_tensor_of_known_size(node: OnnxOp) -> str | None:
    """The result is a map 1xCxHxW, a vector 1xK, or another tensor of at most 8192 elements; its sizes are known."""
    return few_elements_fault(node)


def few_elements_fault(node: OnnxOp) -> str | None:
    """Why the result of a node does not lie in memory as a map or as one pixel; None if it does."""
    value, shape = node.output, shape_of_value(node.output)
    if _is_map(value) or _is_vector(value) or (shape is not None and 0 < prod(shape) <= MOST_ELEMENTS):
        return None
    return f"{node.describe()} gives {_not_on_array(value)}, and other tensors of at most {MOST_ELEMENTS} elements"


def has_constant_weight(node: OnnxOp) -> str | None:
    """The weight is a constant."""
    return None if _parameter(node.inputs[1]) is not None else "its weight is computed when the network runs"


def has_constant_bias(node: OnnxOp) -> str | None:
    """The bias, if there is one, is a constant with one number per output channel."""
    weights = _parameter(node.inputs[1])
    if weights is None or len(node.inputs) < 3 or is_absent(node.inputs[2]):
        return None
    bias = _parameter(node.inputs[2])
    if bias is None:
        return "its bias is computed when the network runs"
    by_row = not is_operator(node, "Gemm") or bool(node.integer("transB", 0))
    channels = weights.shape[0 if by_row else -1]
    if is_operator(node, "ConvTranspose"):
        channels = weights.shape[1] * node.integer("group", 1)
    fits = bias.size == channels and bias.shape[-1:] == (channels,)
    return None if fits else f"its bias has shape {list(bias.shape)} for {channels} channels"


def window_fits(node: OnnxOp) -> str | None:
    """The window lies within the map and its pads."""
    window = window_of(node)
    return "its result is larger than its pads and strides give" if window is not None and any(window.extra) else None


def has_few_phases(node: OnnxOp) -> str | None:
    """The strides make at most 16 phases."""
    window = transposed_window(node)
    phases = 0 if window is None else prod(window.steps)
    return f"its strides make {phases} phases, each a convolution" if phases > MOST_PHASES else None


def has_a_matrix(node: OnnxOp) -> str | None:
    """The weight has two dimensions."""
    weights = _parameter(node.inputs[1])
    return None if weights is None or weights.ndim == 2 else f"its weight has {weights.ndim} dimensions instead of 2"


def multiplies_matrices(node: OnnxOp) -> str | None:
    """The second input is a constant of two dimensions; or it is computed, and both have as many matrices."""
    if _parameter(node.inputs[1]) is not None:
        return has_a_matrix(node)
    shapes = [shape_of_value(value) for value in node.inputs]
    if _parameter(node.inputs[0]) is not None:
        return "its first input is a constant"
    if (
        any(shape is None or len(shape) < 2 or 0 in shape for shape in shapes)
        or len({prod(shape[:-2]) for shape in shapes if shape is not None}) > 1
    ):
        return f"its inputs have {' and '.join(_shape(value) for value in node.inputs)}, not matrices one by one"
    return None


def multiplies_plainly(node: OnnxOp) -> str | None:
    """alpha and beta are 1 or constants take them up, and transA is 0."""
    factors = (node.number("alpha", 1.0), node.number("beta", 1.0))
    if factors == (1.0, 1.0) and not node.integer("transA", 0):
        return None
    return f"alpha, beta, transA are {factors[0]:g}, {factors[1]:g}, {node.integer('transA', 0)}"


def has_two_operands(node: OnnxOp) -> str | None:
    """There are two operands."""
    return None if len(node.inputs) == 2 else f"it adds {len(node.inputs)} tensors at once"


def repeats_its_operands(node: OnnxOp) -> str | None:
    """
    Operands, computed or constant, have the shape of the result; or it is a map and they repeat by channels, rows or
    columns, up to 896; or it is none and the elements of one times those of the result are at most 4,194,304.
    """
    result = shape_of_value(node.output)
    for value in node.inputs:
        own = shape_of_value(value)
        if result is None or own is None:
            return f"its operands have {' and '.join(_shape(value) for value in node.inputs)}"
        # a constant lies in memory as it is wanted
        constant = _parameter(value) is not None
        own = (1,) * (len(result) - len(own)) + own if constant else own
        if constant and is_of_tokens(node):
            continue
        if (fault := repetition_fault(own, result)) is not None:
            return fault
    return None


def has_no_constant_operand(node: OnnxOp) -> str | None:
    """No operand is a constant."""
    constant = any(_parameter(value) is not None for value in node.inputs)
    return "one of its operands is a constant" if constant else None


def is_a_function_of_one_value(node: OnnxOp) -> str | None:
    """The result, with element-wise nodes around, is a function of one int8 tensor of its shape and single numbers."""
    operands = operands_of(node)
    if operands is None:
        return f"{node.describe()} has a constant of several numbers, or several results"
    shape = shape_of_value(node.output)
    if shape is None or any(shape_of_value(value) != shape for value in operands):
        return f"its operands have {' and '.join(_shape(value) for value in operands)}"
    return None


def concatenates_maps(node: OnnxOp) -> str | None:
    """The axis is not the first one of maps; or other tensors have at most 2048 elements together."""
    shape, axis = shape_of_value(node.output) or (), node.integer("axis", 1)
    maps = [value for value in (*node.inputs, node.output) if _is_map(value)]
    if maps and len(shape) == 4 and axis % 4:
        return None
    if maps:
        return f"it concatenates axis {axis} of {len(shape)}, not channels, rows or columns of maps"
    elements = prod(shape)
    return f"it concatenates {elements} elements of no map" if elements > MOST_CONCATENATED else None


def has_a_plain_window(node: OnnxOp) -> str | None:
    """There are no dilations."""
    dilations = node.integers("dilations", ())
    return f"{node.describe()} has dilations {list(dilations)}" if any(size != 1 for size in dilations) else None


def has_one_result(node: OnnxOp) -> str | None:
    """Nobody reads a second result."""
    read = any(value.first_use is not None for value in node.outputs[1:])
    return f"somebody reads the second result of {node.describe()}" if read else None


def counts_pads_alike(node: OnnxOp) -> str | None:
    """Cells that ceil_mode adds are not averaged together with pads that count."""
    window = window_of(node)
    mixed = window is not None and any(window.extra) and bool(node.integer("count_include_pad", 0))
    return "its pads count in the mean, but the cells that ceil_mode adds do not" if mixed else None


def adds_few_elements(node: OnnxOp) -> str | None:
    """The axes are constants, and the elements of the input times those of the result are at most 4,194,304."""
    shapes = [shape_of_value(value) for value in (node.inputs[0], node.output)]
    if reduced_axes(node) is None or None in shapes:
        return "its axes are computed when the network runs, or its sizes are"
    numbers = prod(prod(shape) for shape in shapes if shape is not None)
    return f"its sums take a matrix of {numbers} numbers" if numbers > LARGEST_WEIGHTS else None


def takes_a_simple_mean(node: OnnxOp) -> str | None:
    """The mean is over height and width of a map, or over a number of elements that is a power of two."""
    count = reduced_count(node)
    if count is None or (_is_map(node.inputs[0]) and reduced_axes(node) == (2, 3)):
        return None
    if count & (count - 1):
        return f"it divides by {count}, which is no power of two, and is no mean over height and width of a map"
    return adds_few_elements(node)


def moves_regularly(node: OnnxOp) -> str | None:
    """The elements of a map come out in at most 16 regular phases; a chain of such nodes and Reshapes counts as one."""
    if all(selection_of(value) is not None for value in node.outputs if value.first_use is not None):
        return None
    return f"{node.describe()} does not move the elements of a map in a regular way"


def moves_or_repeats(node: OnnxOp) -> str | None:
    """
    The elements of a map come out in at most 16 regular phases; a chain of such nodes and Reshapes counts as one. Or
    single channels, rows or columns become many, as in Add.
    """
    return None if is_repetition(node) else moves_regularly(node)


def moves_or_interpolates(node: OnnxOp) -> str | None:
    """
    The elements of a map come out in at most 16 regular phases; a chain of such nodes and Reshapes counts as one. Or
    single rows or columns become many, as in Add. Or it is linear, also in at most 16 phases, and the weights are
    multiples of a power of two that int8 holds: twice, four times, a half.
    """
    if is_repetition(node) or moves_regularly(node) is None:
        return None
    lines = linear_lines(node)
    if node.string("mode", "nearest") == "linear":
        return lines if isinstance(lines, str) else None
    return moves_regularly(node)


def pads_with_zeros(node: OnnxOp) -> str | None:
    """The mode is constant and the value 0."""
    value = constant_of(node.inputs[2]) if len(node.inputs) > 2 and not is_absent(node.inputs[2]) else np.zeros(1)
    zeros = node.string("mode", "constant") == "constant" and value is not None and not value.any()
    return None if zeros else "it pads with something other than zeros"


def pads_height_and_width(node: OnnxOp) -> str | None:
    """The pads are constants, at least 0, and of height and width of a map."""
    pads = constant_of(node.inputs[1]) if len(node.inputs) > 1 else None
    axes = len(node.inputs) > 3 and not is_absent(node.inputs[3])
    if pads is None or axes or pads.size != 8 or pads[[0, 1, 4, 5]].any():
        return "it pads other axes than height and width of a map"
    return "it crops, which negative pads mean" if pads.min() < 0 else None


def has_constant_bounds(node: OnnxOp) -> str | None:
    """The bounds are constant numbers."""
    for bound in node.inputs[1:]:
        if not is_absent(bound) and (values := constant_of(bound)) is not None and values.size == 1:
            continue
        if not is_absent(bound):
            return f"the bounds of {node.describe()} are not constant numbers"
    return None
