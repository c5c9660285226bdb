"""Small programs of the array level, made from the `bsr` level, for tests that break them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import FunctionType, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue

from compiler.interpret.bsr import interpret_bsr
from compiler.registry import full_context
from dialects.aie import DeviceOp, RuntimeSequenceOp
from dialects.aiex import DMAConfigureTaskOp
from dialects.bsr import AddOp, Conv2dOp, WeightsOp, fixed_type
from passes.convert_bsr_to_mem import ConvertBsrToMemPass
from passes.convert_mem_to_aie import ConvertMemToAiePass

Arrays = dict[str, npt.NDArray[Any]]
Shape = tuple[int, int, int, int]
SHAPE, LONG_ROWS = (1, 32, 6, 5), (1, 24, 4, 12)
"""A small map, which a core may take as one row, and one whose rows are too long for that."""
PARTIAL_ROWS = "mesh-1x1:core_memory_bytes=8704"
"""Here several of the long rows have partial sums, and a launch's weights need not begin with the first slot."""


def residual_network(seed: int = 0, shape: Shape = SHAPE) -> ModuleOp:
    """Two 3x3 convolutions and the sum of their results: halos, weights in chunks, an addition over its operand."""
    random = np.random.default_rng(seed)
    block = Block(arg_types=[fixed_type(shape, 4)])

    def conv(x: SSAValue, name: str, position: int) -> SSAValue:
        values = random.integers(-128, 128, (shape[1], shape[1], 3, 3)).astype(np.int8)
        bias = random.integers(-4096, 4096, shape[1]).astype(np.int32)
        weights = WeightsOp.from_dense(values, bias, 7, name)
        op = Conv2dOp(x, weights.result, position, pads=(1, 1, 1, 1))
        op.attributes["bsr.tensor"] = StringAttr(name)
        block.add_ops([weights, op])
        return op.result

    first = conv(block.args[0], "first", 1)
    second = conv(first, "second", -1)
    added = AddOp(first, second, -1)
    added.attributes["bsr.tensor"] = StringAttr("sum")
    block.add_ops([added, ReturnOp(added.result)])
    function = FuncOp("main", FunctionType.from_lists([block.args[0].type], [added.result.type]), Region(block))
    return ModuleOp([function])


@dataclass(frozen=True)
class ArrayProgram:
    """A program of the array level with an input and the numbers that are right for it."""

    module: ModuleOp
    inputs: Arrays
    expected: Arrays


@cache
def residual_program(target: str, shape: Shape = SHAPE) -> ArrayProgram:
    """`residual_network` on `mesh-1x1` or `mesh-1x1:core_memory_bytes=12288`. Clone the module before changing it."""
    module = residual_network(shape=shape)
    inputs = {"input0": np.random.default_rng(1).integers(-128, 128, shape).astype(np.int8)}
    expected = interpret_bsr(module, inputs)
    context = full_context()
    name, *overrides = target.split(":")
    ConvertBsrToMemPass(target=name, verify=True, overrides=tuple(overrides)).apply(context, module)
    ConvertMemToAiePass().apply(context, module)
    module.verify()
    return ArrayProgram(module, inputs, {**expected.tensors, **expected.outputs})


def device_of(module: ModuleOp) -> DeviceOp:
    """The device."""
    return next(op for op in module.ops if isinstance(op, DeviceOp))


def sequence_of(module: ModuleOp) -> Block:
    """The only runtime sequence."""
    sequences = [op for op in device_of(module).body.block.ops if isinstance(op, RuntimeSequenceOp)]
    assert len(sequences) == 1, "these programs have one invocation"
    return sequences[0].body.block


def tasks_of(module: ModuleOp) -> list[DMAConfigureTaskOp]:
    """Every configured task, in order."""
    return [op for op in sequence_of(module).ops if isinstance(op, DMAConfigureTaskOp)]
