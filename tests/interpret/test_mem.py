"""The memory level's interpreter: any order gives the same numbers, and what nothing wrote is not read."""

from __future__ import annotations

import numpy as np
import pytest
from interpret.array_programs import SHAPE, residual_network
from xdsl.dialects.builtin import ArrayAttr, ModuleOp

from compiler.errors import BlockloomError
from compiler.interpret.bsr import interpret_bsr
from compiler.interpret.mem import interpret_mem
from compiler.registry import full_context
from dialects import mem
from dialects.mem_attributes import WindowAttr, integers_attr, windows_attr
from passes.convert_bsr_to_mem import ConvertBsrToMemPass

INPUTS = {"input0": np.random.default_rng(5).integers(-128, 128, SHAPE).astype(np.int8)}


def the_module(target: str = "mesh-2x2") -> ModuleOp:
    module = residual_network()
    ConvertBsrToMemPass(target=target, verify=True).apply(full_context(), module)
    return module


def launches(module: ModuleOp) -> list[mem.LaunchOp]:
    return [op for op in module.walk() if isinstance(op, mem.LaunchOp)]


def copies(module: ModuleOp) -> list[mem.CopyOp]:
    return [op for op in module.walk() if isinstance(op, mem.CopyOp)]


@pytest.mark.parametrize("target", ["mesh-1x1", "mesh-2x2", "mesh-3x4", "mesh-8x8"])
def test_every_order_of_cores_and_copies_gives_the_same_numbers(target: str) -> None:
    expected = interpret_bsr(residual_network(), INPUTS)
    for seed in range(3):
        run = interpret_mem(the_module(target), INPUTS, seed=seed)
        assert list(run.tensors) == ["first", "second", "sum"]
        for name, value in {**run.tensors, **run.outputs}.items():
            np.testing.assert_array_equal(value, {**expected.tensors, **expected.outputs}[name])


def test_a_fill_that_is_forgotten_leaves_words_that_nothing_wrote() -> None:
    module = the_module()
    first = copies(module)[0]
    wait = next(op for op in module.walk() if isinstance(op, mem.WaitOp))
    others = [token for token in wait.tokens if token is not first.token]
    wait.operands = others
    first.detach()
    with pytest.raises(BlockloomError, match=r"core \(0, .\) reads word .* of MemTile 0, which nothing has written"):
        interpret_mem(module, INPUTS)


def test_a_copy_that_nobody_waits_for_is_an_error() -> None:
    module = the_module()
    wait = [op for op in module.walk() if isinstance(op, mem.WaitOp)][-1]
    wait.operands = []
    with pytest.raises(BlockloomError, match="segment 'add' ends before 2 of its copies"):
        interpret_mem(module, INPUTS)


def test_a_spill_that_is_forgotten_leaves_the_host_with_what_lay_there_before() -> None:
    module = the_module()
    expected = interpret_bsr(residual_network(), INPUTS).outputs["output0"]
    spill = copies(module)[-1]
    wait = [op for op in module.walk() if isinstance(op, mem.WaitOp)][-1]
    wait.operands = [token for token in wait.tokens if token is not spill.token]
    spill.detach()
    assert not np.array_equal(interpret_mem(module, INPUTS).outputs["output0"], expected)


def test_windows_must_take_all_that_a_core_makes() -> None:
    module = the_module()
    core = launches(module)[0].cores[0]
    core.properties["write_runs"] = integers_attr((0,) * len(core.writes))
    with pytest.raises(BlockloomError, match=r"core \(.*\) makes .* words, its windows take 0"):
        interpret_mem(module, INPUTS)


def test_exchanged_windows_give_other_numbers() -> None:
    module = the_module()
    expected = interpret_bsr(residual_network(), INPUTS)
    core = launches(module)[-1].cores[0]
    core.properties["reads"] = ArrayAttr([windows_attr(windows[::-1]) for windows, _ in core.reads])
    run = interpret_mem(module, INPUTS)
    assert not np.array_equal(run.tensors["sum"], expected.tensors["sum"])


def test_a_window_of_another_place_gives_other_numbers() -> None:
    module = the_module()
    expected = interpret_bsr(residual_network(), INPUTS)
    # the second fill takes the rows of the first one's column
    first, second = copies(module)[:2]
    window = first.source_window.data
    assert window.words == second.source_window.data.words, "both columns hold as many rows"
    moved = WindowAttr(type(window)(1, window.offset, window.sizes, window.strides))
    second.properties["from"] = moved
    run = interpret_mem(module, INPUTS)
    assert not np.array_equal(run.tensors["first"], expected.tensors["first"])
