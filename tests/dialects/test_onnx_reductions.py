"""Which axes a reduction takes, as its attributes, its second input or its shape say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from compiler.onnxio.importer import import_model
from dialects.onnx import OnnxOp
from dialects.onnx_reductions import reduced_axes, reduced_count, reduced_into


def reduction(
    axes: list[int] | None = None,
    *,
    computed: bool = False,
    shape: tuple[int, ...] | None = (2, 3, 5),
    **how: int,
) -> OnnxOp:
    """A ReduceMean of the network's input, whose shape may be unknown; its axes may come from a node."""
    nodes, inputs = [], ["x"]
    if axes is not None:
        inputs.append("axes")
    if computed:
        nodes.append(helper.make_node("Abs", ["given"], ["axes"]))
    nodes.append(helper.make_node("ReduceMean", inputs, ["y"], **how))
    constants = [] if axes is None else [numpy_helper.from_array(np.array(axes), "given" if computed else "axes")]
    graph = helper.make_graph(
        nodes,
        "reduction",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        constants,
    )
    module = import_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    (found,) = (op for op in module.walk() if isinstance(op, OnnxOp) and op.operator == "ReduceMean")
    return found


@pytest.mark.parametrize(
    ("node", "axes", "count"),
    [
        (reduction(), (0, 1, 2), 30),
        (reduction([-1, 0]), (0, 2), 10),
        (reduction([1, -2]), (1,), 3),
        (reduction([]), (0, 1, 2), 30),
        (reduction([], noop_with_empty_axes=1), (), 1),
        (reduction(noop_with_empty_axes=1), (), 1),
    ],
)
def test_axes_and_how_many_elements_they_have(node: OnnxOp, axes: tuple[int, ...], count: int) -> None:
    assert reduced_axes(node) == axes
    assert reduced_count(node) == count


@pytest.mark.parametrize("node", [reduction([1], computed=True), reduction([1], shape=None), reduction(shape=None)])
def test_what_is_not_known_when_compiling(node: OnnxOp) -> None:
    assert reduced_axes(node) is None
    assert reduced_count(node) is None


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple), st.data())
def test_each_element_goes_to_its_sum(shape: tuple[int, ...], data: st.DataObject) -> None:
    axes = tuple(data.draw(st.sets(st.integers(0, len(shape) - 1))))
    values = np.arange(np.prod(shape)) ** 2
    sums = values.reshape(shape).sum(axis=axes)
    found = np.bincount(reduced_into(axes, shape), weights=values, minlength=sums.size)
    np.testing.assert_array_equal(found, sums.reshape(-1))
