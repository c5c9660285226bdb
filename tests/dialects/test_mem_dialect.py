"""Refusals of the mem dialect: one wrong op per rule, and the sentence that says which rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import StringAttr, UnitAttr, i32
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.parser import Parser
from xdsl.utils.exceptions import VerifyException

from compiler.kernels.parameters import Kernel
from compiler.registry import full_context
from compiler.transfers.window import Window
from dialects import mem
from dialects.bsr_attributes import FixedAttr
from dialects.mem_attributes import DDR, MEMTILE, WindowAttr, integers_attr

Pairs = list[tuple[int, int]]


def a_buffer(type: mem.BufferType) -> SSAValue:
    return Block(arg_types=[type]).args[0]


def a_map(address: int = 0, size: int = 64, stripes: Pairs | None = None, **properties: object) -> mem.MapOp:
    """Four rows of 32 bytes in DDR, or two in each of two columns."""
    op = mem.MapOp("x", (8, 4, 4), FixedAttr(4), address, size, (0, 1), stripes)
    op.properties.update(properties)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return op


def a_core(
    parameters: dict[str, int] | None = None, runs: tuple[int, ...] = (1,), reads: tuple[int, ...] = (1,)
) -> mem.CoreOp:
    window = Window(0, 0, (8,), (1,))
    return mem.CoreOp(0, 0, parameters or {}, [[window]], reads, [window], runs, -1)


def a_launch(parameters: dict[str, int] | None = None, cores: list[Operation] | None = None) -> mem.LaunchOp:
    tile = a_buffer(MEMTILE)
    region = Region(Block(cores if cores is not None else [a_core()]))
    return mem.LaunchOp(Kernel.ADD, [tile, tile], tile, None, None, parameters or {}, region)


def a_copy(source: SSAValue, target: SSAValue, words: int = 8, column: int = 0) -> mem.CopyOp:
    return mem.CopyOp(source, target, Window(0, 0, (8,), (1,)), Window(column, 0, (words,), (1,)))


def unknown_kernel() -> Operation:
    op = a_launch()
    op.properties["kernel"] = StringAttr("convolve")
    return op


def weights_alone() -> Operation:
    tile, ddr = a_buffer(MEMTILE), a_buffer(DDR)
    return mem.LaunchOp(Kernel.CONV, [tile], tile, ddr, None, {}, Region(Block([a_core()])))


def in_ddr_with_stripes() -> Operation:
    op = a_map(size=128)
    op.properties["stripes"] = integers_attr((0, 4))
    return op


def gathering_with_weights() -> Operation:
    tile, ddr = a_buffer(MEMTILE), a_buffer(DDR)
    cores = Region(Block([a_core()]))
    return mem.LaunchOp(Kernel.CONV, [tile], tile, ddr, a_buffer(MEMTILE), {}, cores, gathers=True)


REFUSALS: list[tuple[Callable[[], Operation], str]] = [
    (lambda: a_map(size=128, shape=integers_attr((8, 4))), "shape is .*8, 4.*; expected 3 integers"),
    (lambda: a_map(size=128, live=integers_attr((1,))), "live is .*; expected 2 integers"),
    (in_ddr_with_stripes, "stripes belong to maps in MemTiles, and only to them"),
    (lambda: a_map(address=2, size=128), "address 2 is not a word address"),
    (lambda: a_map(address=-4, size=128), "address -4 is not a word address"),
    (lambda: a_map(size=96), "4 rows of 32 bytes exceed the size 96"),
    (lambda: a_map(size=64, stripes=[(0, 1), (1, 4)]), "3 rows of 32 bytes exceed the size 64"),
    (lambda: a_copy(a_buffer(DDR), a_buffer(DDR)), "a copy is between DDR and a MemTile"),
    (lambda: a_copy(a_buffer(DDR), a_buffer(MEMTILE), words=9), "8 words leave and 9 arrive"),
    (lambda: a_copy(a_buffer(DDR), a_buffer(MEMTILE), column=1), "one shim serves one column: source 0, target 1"),
    (lambda: a_core({"speed": 3}), r"unknown parameters \['speed'\]; known: "),
    (lambda: a_core(reads=()), "every chain of reads needs its number of runs"),
    (lambda: a_core(runs=(1, 2)), "every window of writes needs its number of runs"),
    (lambda: a_launch({"speed": 3}), r"unknown parameters \['speed'\]"),
    (lambda: a_launch(cores=[ConstantOp.from_int_and_width(0, i32)]), "a launch holds mem.core ops only, found arith"),
    (unknown_kernel, "unknown kernel 'convolve'; known: conv, add, requantise, max_pool, avg_pool"),
    (weights_alone, "weights come through a ring: give both or neither"),
    (gathering_with_weights, "cores that gather a map have no weights"),
    (
        lambda: a_map(size=128, stripes=[(0, 4), (0, 4)], slices=integers_attr((0, 1))),
        "1 slices for 2 columns",
    ),
]


@pytest.mark.parametrize(("make", "rule"), REFUSALS)
def test_a_wrong_op_is_refused_by_name_of_the_rule(make: Callable[[], Operation], rule: str) -> None:
    op = make()
    with pytest.raises(VerifyException, match=rule):
        op.verify()


def test_right_ones_are_not() -> None:
    for op in (a_map(size=128), a_map(size=64, stripes=[(0, 2), (2, 4)]), a_core(), a_launch()):
        op.verify()


def test_a_map_is_put_together_from_what_each_column_holds() -> None:
    op = mem.MapOp("x", (16, 2, 3), FixedAttr(4), 8, 96, (0, 1), [(0, 2), (0, 2)], [(0, 1), (1, 2)])
    op.verify()
    words = np.arange(24, dtype=np.int32).reshape(2, 2, 6)
    memories = [np.full(26, -1, np.int32) for _ in range(2)]
    for column, memory in enumerate(memories):
        memory[2:].reshape(2, 2, 6)[:, column] = words[:, column]
    whole = op.whole(lambda column, first, count: memories[column][first : first + count])
    assert np.array_equal(whole, words.reshape(-1))


def test_only_maps_are_maps() -> None:
    assert mem.map_of(a_map(size=128).result).row_words == 8
    with pytest.raises(VerifyException, match=r"expected a buffer made by mem\.map"):
        mem.map_of(a_buffer(DDR))


def test_notes_do_not_get_in_the_way() -> None:
    op = a_map(size=128)
    op.attributes["note"] = UnitAttr()
    op.verify()


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Any window, also ones that no descriptor holds: the attribute is only a spelling."""
    rank = draw(st.integers(1, 5))
    numbers = st.integers(0, 5000)
    pads = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=rank, max_size=rank))
    wrap = draw(st.integers(1, 64))
    return Window(
        draw(st.integers(0, 7)),
        draw(numbers),
        tuple(draw(st.lists(numbers, min_size=rank, max_size=rank))),
        tuple(draw(st.lists(numbers, min_size=rank, max_size=rank))),
        tuple(pads) if any(pad != (0, 0) for pad in pads) else (),
        wrap,
        draw(numbers) if wrap > 1 else 0,
    )


@given(window=windows())
def test_a_window_survives_its_spelling(window: Window) -> None:
    assert Parser(full_context(), str(WindowAttr(window))).parse_attribute() == WindowAttr(window)
