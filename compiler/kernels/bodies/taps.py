"""The vertical taps of a window that lie on the map: all but the first and the last ones, so one range."""

from __future__ import annotations

from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import Assembler


def taps_on_map(body: Assembler, taps: SSAValue) -> tuple[SSAValue, SSAValue]:
    """The taps [first, last) that are not border rows; first > last if all are."""
    with body.loop(body.index(0), taps, carried=[taps, body.index(0)]) as tap:
        first, last = tap.values
        on_map = body.compare(body.tap(tap.index), "sge", body.index(0))
        after = body.add(tap.index, body.index(1))
        body.yield_(
            body.select(on_map, body.minimum(first, tap.index), first),
            body.select(on_map, after, last),
        )
    return tap.results[0], tap.results[1]
