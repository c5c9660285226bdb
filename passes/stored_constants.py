"""
Constant operands as maps: the host stores them in DDR before the array begins, and the array reads them as any other.

    %c = bsr.host() {operator = "QuantizeLinear", reason = "…"} : () -> tensor<1x8x14x14xi8, #bsr.fixed<6>>
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import helper, numpy_helper
from xdsl.ir import SSAValue

from dialects.bsr import HostNode, HostOp, map_type
from dialects.constants import constant_type
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_fixed_point import constant_of
from passes.fixed_point_values import Unrepresentable, linear_encoding

_OPSET = 21
_IR_VERSION = 10
_REASON = "a constant that the array reads as a map; the host stores it in DDR before the array begins"
_MOVED = "a constant of which the array moves elements; the host stores it in DDR before the array begins"


Integers = npt.NDArray[np.int8]


def with_rank(rank: int) -> Callable[[Integers], Integers]:
    """Dimensions that a constant lacks are in front."""
    return lambda integers: integers.reshape((1,) * (rank - integers.ndim) + integers.shape)


def stored_constant(value: SSAValue, arranged: Callable[[Integers], Integers]) -> HostOp:
    """A dequantised constant as a tensor of its scale and zero-point, `arranged` as its reader wants it."""
    dequantize = value.owner
    if not isinstance(dequantize, OnnxOp) or not is_operator(dequantize, "DequantizeLinear"):
        raise Unrepresentable("one of its operands is a constant that is not quantised")
    integers, owner = constant_of(dequantize.inputs[0]), dequantize.inputs[0].owner
    if integers is None or integers.dtype != np.int8 or not isinstance(owner, OnnxOp):
        raise Unrepresentable(f"{dequantize.describe()} reads no constant in int8")
    integers = arranged(integers)
    name = next(iter(owner.output_names), dequantize.node_name)
    return HostOp(
        [],
        [map_type(integers.shape, linear_encoding(dequantize))],
        model=_model(integers),
        # one constant may be read in several shapes
        key=".".join((name, "stored", *map(str, integers.shape))),
        node=name,
        operator="QuantizeLinear",
        reason=_REASON,
        nodes=[HostNode(name, "", "QuantizeLinear", _REASON)],
    )


def stored_tensor(values: npt.NDArray[Any], name: str) -> HostOp:
    """Any constant, as it is."""
    node = HostNode(name, "", "Constant", _MOVED)
    type = constant_type(values)
    return HostOp(
        [], [type], model=_model(values), key=name, node=name, operator="Constant", reason=_MOVED, nodes=[node]
    )


def is_stored(op: object) -> bool:
    """Whether an op only puts a constant where the array finds it."""
    return isinstance(op, HostOp) and not op.inputs


def _model(values: npt.NDArray[Any]) -> bytes:
    """An ONNX model that gives this tensor."""
    value = numpy_helper.from_array(values)
    result = helper.make_tensor_value_info("y", value.data_type, list(values.shape))
    graph = helper.make_graph([helper.make_node("Constant", [], ["y"], value=value)], "stored", [], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    return model.SerializeToString(deterministic=True)
