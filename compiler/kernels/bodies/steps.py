"""The loops over the steps of a row: of each size as long as more is left than the next smaller one covers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import Assembler
from compiler.kernels.row_steps import GROUP


def step_ends(body: Assembler, sizes: Sequence[int], end: SSAValue) -> list[SSAValue]:
    """Where the steps of each size end in a row that ends at `end`: what is left is covered by the next smaller one."""
    return [*(body.subtract(end, body.index(smaller)) for smaller in sizes[1:]), end]


def step_loops(
    body: Assembler,
    begin: SSAValue,
    sizes: Sequence[int],
    ends: Sequence[SSAValue],
    compute: Callable[[SSAValue, int], None],
) -> None:
    """`compute(pixel, groups)` from `begin` on, for each size until less is left than its `ends`."""
    done = begin
    for size, end in zip(sizes, ends, strict=True):
        with body.loop(done, end, size, carried=[done]) as step:
            compute(step.index, size // GROUP)
            body.yield_(body.add(step.index, body.index(size)))
        done = step.results[0]
