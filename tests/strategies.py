"""Hypothesis strategies shared by all tests. Values are built to be valid, never filtered, so that they shrink well."""

from __future__ import annotations

from hypothesis import strategies as st

from compiler.allocation import Buffer, Problem


@st.composite
def allocation_buffers(draw: st.DrawFn, maximum: int = 24) -> tuple[Buffer, ...]:
    """Up to `maximum` buffers over a short schedule, with sizes from one byte to a few blocks and mixed alignments."""
    count = draw(st.integers(0, maximum))
    buffers: list[Buffer] = []
    for index in range(count):
        lower = draw(st.integers(0, 12))
        buffers.append(
            Buffer(
                name=f"b{index}",
                lower=lower,
                upper=lower + draw(st.integers(1, 6)),
                size=draw(st.integers(1, 300)),
                alignment=draw(st.sampled_from((1, 4, 32, 64))),
            )
        )
    return tuple(buffers)


@st.composite
def allocation_problems(draw: st.DrawFn) -> Problem:
    """A problem whose capacity certainly suffices: every buffer on its own aligned bytes."""
    buffers = draw(allocation_buffers())
    return Problem(buffers, capacity=sum(buffer.size + buffer.alignment for buffer in buffers))
