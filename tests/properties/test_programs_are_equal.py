"""
Networks whose kernels do not fit one program of the cores: every level computes what `bsr` does, with several.

What one program leaves in the MemTiles is nothing to the next one: both interpreters forget it, and a network that
counts on it is wrong.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from bsr_levels import lowered, mapped
from bsr_modules import arrays_of, module_of
from bsr_networks import Clamp, Conv, Input, MaxPool, Network
from hypothesis import event, given, settings
from hypothesis import strategies as st
from random_networks import random_network
from strategies_bsr import PROGRAM_MEMORIES, Place
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region

from compiler.checking import execute
from compiler.comparison import compare
from compiler.errors import BlockloomError
from compiler.interpret.bsr import interpret_bsr
from compiler.pipelines import Pipeline
from dialects import mem
from dialects.aie import DeviceOp

TARGETS = st.sampled_from(("mesh-1x1", "mesh-1x1", "mesh-1x2", "mesh-2x1", "mesh-2x2"))
MEMORIES = st.sampled_from(PROGRAM_MEMORIES[:3])


@settings(max_examples=min(16, settings.default.max_examples))
@given(st.integers(0, 2**32 - 1), TARGETS, MEMORIES)
def test_every_level_computes_what_bsr_does(seed: int, target: str, program_memory_bytes: int) -> None:
    network = random_network(Random(seed))
    place = Place(target, (f"program_memory_bytes={program_memory_bytes}",))
    modules = dict(lowered(network, place, verify=True))
    programs = [op.configuration for op in modules["mem"].walk() if isinstance(op, mem.InvokeOp)]
    devices = [op for op in modules["aie"].ops if isinstance(op, DeviceOp)]
    assert len(devices) == max(programs, default=0) + 1
    event(f"{len(devices)} programs, changed {sum(one != other for one, other in pairwise(programs))} times")
    if len(devices) == 1:
        return
    inputs = arrays_of(network)
    expected = interpret_bsr(module_of(network), inputs)
    for level in ("mem", "aie"):
        comparison = compare(level, execute(level, modules[level], inputs, seed % 7), expected, seed=seed, seconds=0.0)
        assert comparison.holds, comparison


NETWORK = Network(
    7,
    (Input(8, 6, 6),),
    (
        Conv(0, 8, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1)),
        MaxPool(1, (2, 2), (2, 2), (0, 0, 0, 0)),
        Clamp(2, (-3, 40)),
    ),
)


def with_last_segment_apart(module: ModuleOp, configuration: int) -> ModuleOp:
    """The last segment in an invocation of its own, though it reads what the one before left in the MemTiles."""
    (invocation,) = [op for op in module.walk() if isinstance(op, mem.InvokeOp)]
    last = invocation.segments[-1]
    last.detach()
    apart = mem.InvokeOp(Region(Block([last])), configuration)
    block = invocation.parent_block()
    assert block is not None
    block.insert_op_after(apart, invocation)
    return module


@pytest.mark.parametrize(("level", "fault"), [("mem", "which nothing has written"), ("aie", "nothing wrote it")])
def test_memtiles_keep_nothing_for_another_program(level: str, fault: str) -> None:
    place, inputs = Place("mesh-2x2"), arrays_of(NETWORK)
    planned = dict(lowered(NETWORK, place))["mem"]
    for configuration in (0, 1):
        module = with_last_segment_apart(planned.clone(), configuration)
        if level == "aie":
            module = dict(Pipeline(mapped(place)[1:]).run(module))["aie"]
        if configuration == 0:
            execute(level, module, inputs, 0)
            continue
        with pytest.raises(BlockloomError, match=fault):
            execute(level, module, inputs, 0)
