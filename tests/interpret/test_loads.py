"""Parameters of many launches are one task, except around launches before which maps are filled."""

from __future__ import annotations

from interpret.array_programs import residual_network

from compiler.hardware.chip import chip_named
from compiler.protocol.loads import loaded_together
from compiler.registry import full_context
from dialects import mem
from passes.convert_bsr_to_mem import ConvertBsrToMemPass


def test_a_fill_between_launches_cuts_before_and_after_the_second_one() -> None:
    module = residual_network()
    ConvertBsrToMemPass(target="mesh-2x2").apply(full_context(), module)
    chip = chip_named("mesh-2x2")
    (invocation,) = [op for op in module.walk() if isinstance(op, mem.InvokeOp)]
    launches = [op for op in invocation.walk() if isinstance(op, mem.LaunchOp)]
    count = len(launches)
    assert loaded_together(invocation, chip) == [range(count)]
    few = chip.with_overrides({"iteration_limit": 2})
    assert max(map(len, loaded_together(invocation, few))) == 2
    fill = next(op for op in invocation.walk() if isinstance(op, mem.CopyOp) and op.fills)
    parent = launches[1].parent_block()
    assert parent is not None
    parent.insert_op_before(fill.clone(), launches[1])
    cut = loaded_together(invocation, chip)
    assert cut[:2] == [range(1), range(1, 2)]
    assert cut[-1].stop == count
