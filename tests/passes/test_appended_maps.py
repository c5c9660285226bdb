"""Concatenations along rows and columns: maps at their places of one map, on the array."""

from __future__ import annotations

import pytest
from bsr_levels import assert_levels_are_equal
from bsr_networks import Add, Append, Conv, Input, MaxPool, Network
from strategies_bsr import Place
from strategies_graphs import GraphBuilder
from xdsl.ir import Block
from xdsl.utils.exceptions import VerifyException

from compiler.checking import check_levels
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from dialects.bsr import AppendOp, HostOp, map_type

NETWORKS = {
    "inputs, twice one of them": Network(1, (Input(20, 5, 7), Input(20, 3, 7, 6)), (Append((0, 1, 0), 2),)),
    "and read by windows": Network(1, (Input(20, 5, 7),), (Append((0, 0), 3), MaxPool(1, (3, 3), pads=(1, 1, 1, 1)))),
    "convolutions, some in place": Network(
        1,
        (Input(20, 15, 7),),
        (Conv(0, 16), Conv(0, 16, (3, 3), pads=(1, 1, 1, 1)), Append((1, 2), 3), Append((1, 2), 2), Conv(3, 8)),
        (4, 5),
    ),
    "sums": Network(
        1, (Input(20, 15, 7),), (Conv(0, 20), Add(0, 1), Append((2, 1), 3), Append((0, 2), 2), Conv(4, 8)), (3, 5)
    ),
}


@pytest.mark.parametrize("target", ["npu1", "mesh-2x3"])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_all_levels(network: Network, target: str) -> None:
    assert_levels_are_equal(network, Place(target), (0,), thorough=True)


@pytest.mark.parametrize("axis", [2, 3, -1, -2])
def test_a_concatenation_of_onnx(axis: int) -> None:
    builder = GraphBuilder()
    a, b = builder.input((1, 9, 5, 5), 5), builder.input((1, 9, 5, 5), 4)
    modules = Pipeline.default(target="mesh-2x2").run(import_model(builder.model(builder.concat([a, b, a], 4, axis))))
    assert all(comparison.holds for comparison in check_levels(modules, builder.feed(), 0))
    operators = [op.operator.data for op in modules["bsr"].walk() if isinstance(op, HostOp)]
    assert set(operators) <= {"QuantizeLinear", "DequantizeLinear"}


def block_of(*shapes: tuple[int, ...]) -> Block:
    return Block(arg_types=[map_type(shape, 4) for shape in shapes])


def test_other_axes_and_sizes_are_refused() -> None:
    block = block_of((1, 8, 5, 6), (1, 8, 5, 7))
    with pytest.raises(VerifyException, match="axis is 1; maps are appended along 2, the rows, or 3, the columns"):
        AppendOp([block.args[0]], 1, 4).verify()
    with pytest.raises(VerifyException, match="the shape of operand 1"):
        AppendOp(block.args, 2, 4).verify()
    AppendOp(block.args, 3, 4).verify()
