"""
Which ONNX nodes the array can compute: the operators that it has, and the rules of each.

Quantisation puts int8 around a node only if no rule is broken, the conversion to bsr refuses a node for the rules it
breaks, and `blockloom ops --supported` prints them.
"""

from __future__ import annotations

from dialects.onnx import OnnxOp
from dialects.onnx_functions import ONLY_IN_FUNCTIONS
from passes.array_constraints import (
    Rule,
    adds_few_elements,
    concatenates_maps,
    counts_pads_alike,
    gives_a_tensor_of_known_size,
    gives_tokens_or_a_tensor_of_known_size,
    has_a_matrix,
    has_a_plain_window,
    has_constant_bias,
    has_constant_bounds,
    has_constant_weight,
    has_few_phases,
    has_no_constant_operand,
    has_one_result,
    has_two_operands,
    is_a_function_of_one_value,
    moves_or_interpolates,
    moves_or_repeats,
    moves_regularly,
    multiplies_matrices,
    multiplies_plainly,
    pads_height_and_width,
    pads_with_zeros,
    reads_a_map,
    reads_rows,
    repeats_its_operands,
    takes_a_simple_mean,
    window_fits,
)

_PRODUCT: tuple[Rule, ...] = (has_constant_weight, has_constant_bias)
_ROWS: tuple[Rule, ...] = (reads_rows, *_PRODUCT, has_a_matrix)
_FUNCTION: tuple[Rule, ...] = (is_a_function_of_one_value, gives_a_tensor_of_known_size)
_VALUES: tuple[Rule, ...] = (repeats_its_operands, gives_tokens_or_a_tensor_of_known_size)
_SUM: tuple[Rule, ...] = (has_two_operands, *_VALUES)
_SHAPE: tuple[Rule, ...] = (gives_a_tensor_of_known_size, has_one_result)

RULES: dict[str, tuple[Rule, ...]] = {
    "Add": _SUM,
    "AveragePool": (reads_a_map, has_a_plain_window, counts_pads_alike),
    "Clip": (has_constant_bounds,),
    "Concat": (concatenates_maps, has_no_constant_operand, gives_a_tensor_of_known_size),
    "Conv": (reads_a_map, *_PRODUCT, window_fits),
    "ConvTranspose": (reads_a_map, *_PRODUCT, has_few_phases),
    "DepthToSpace": (moves_regularly,),
    "Dropout": _SHAPE,
    "Expand": (moves_or_repeats,),
    "Flatten": _SHAPE,
    "Gather": (moves_regularly,),
    "Gemm": (*_ROWS, multiplies_plainly),
    "GlobalAveragePool": (reads_a_map,),
    "GlobalMaxPool": (reads_a_map,),
    "Identity": _SHAPE,
    "MatMul": (reads_rows, multiplies_matrices),
    "Max": _VALUES,
    "MaxPool": (reads_a_map, has_a_plain_window, has_one_result),
    "Min": _VALUES,
    "Mul": _VALUES,
    "Pad": (reads_a_map, pads_with_zeros, pads_height_and_width),
    "ReduceMean": (takes_a_simple_mean,),
    "ReduceSum": (adds_few_elements,),
    "Relu": (),
    "Reshape": _SHAPE,
    "Resize": (moves_or_interpolates,),
    "Slice": (moves_regularly,),
    "SpaceToDepth": (moves_regularly,),
    "Split": (moves_regularly,),
    "Squeeze": _SHAPE,
    "Sub": _VALUES,
    "Sum": _SUM,
    "Tile": (moves_regularly,),
    "Transpose": (moves_regularly,),
    "Unsqueeze": _SHAPE,
    **dict.fromkeys(ONLY_IN_FUNCTIONS, _FUNCTION),
}
"""The rules of every operator that the array has; what is not here has no int8 form."""


def broken_rules(node: OnnxOp) -> tuple[str, ...]:
    """What keeps a node from the array, each reason once; empty if nothing does."""
    rules = RULES.get(node.operator)
    if rules is None:
        return (f"{node.operator} has no int8 form on the array",)
    found = (rule(node) for rule in rules)
    return tuple(dict.fromkeys(reason for reason in found if reason is not None))
