"""What many launches load is one task, except around launches before which maps are filled."""

from __future__ import annotations

from interpret.array_programs import residual_network

from compiler.protocol.loads import launches_behind_fills, loaded_together
from compiler.registry import full_context
from dialects import mem
from passes.convert_bsr_to_mem import ConvertBsrToMemPass


def test_a_fill_between_launches_cuts_before_and_after_the_second_one() -> None:
    module = residual_network()
    ConvertBsrToMemPass(target="mesh-2x2").apply(full_context(), module)
    (invocation,) = [op for op in module.walk() if isinstance(op, mem.InvokeOp)]
    launches = [op for op in invocation.walk() if isinstance(op, mem.LaunchOp)]
    count = len(launches)
    assert not launches_behind_fills(invocation)
    assert loaded_together(count, frozenset()) == [range(count)]
    fill = next(op for op in invocation.walk() if isinstance(op, mem.CopyOp) and op.fills)
    parent = launches[1].parent_block()
    assert parent is not None
    parent.insert_op_before(fill.clone(), launches[1])
    assert launches_behind_fills(invocation) == {1}
    assert loaded_together(count, frozenset({1})) == [range(1), range(1, 2), range(2, count)]


def test_launches_behind_fills_are_loaded_alone() -> None:
    assert loaded_together(5, frozenset({2, 3})) == [range(2), range(2, 3), range(3, 4), range(4, 5)]
    assert loaded_together(2, frozenset({1})) == [range(1), range(1, 2)]
    assert loaded_together(0, frozenset()) == []
