"""
Comparing what two levels computed: exact, by tensor name, with the first difference located.

Integers are compared bit for bit. A float output is computed on the host, by ONNX Runtime, from int8 values that are
compared themselves; but which kernels it picks, and so in which order it rounds, depends on the nodes that share its
session, and the whole graph and a host segment do not share the same ones (seen: 1 unit in the last place after LRN).
So floats may differ by FLOAT_UNITS units in the last place, and not-a-number equals itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.interpret.execution import Execution


@dataclass(frozen=True)
class Difference:
    """The first differing element of the first differing tensor, in the order of the graph."""

    tensor: str
    index: tuple[int, ...]
    expected: float
    found: float
    differing: int
    elements: int

    def __str__(self) -> str:
        where = ", ".join(str(position) for position in self.index)
        return (
            f"'{self.tensor}'[{where}] is {self.found:g}, expected {self.expected:g} "
            f"({self.differing} of {self.elements} values differ)"
        )


@dataclass(frozen=True)
class Comparison:
    """One level against the reference: how much was compared and what differed."""

    level: str
    outputs: int
    tensors: int
    values: int
    differences: int
    seed: int
    seconds: float
    first: Difference | None = None
    largest: int = 0
    """The largest difference of integers; a float that differs counts as one beyond what is allowed."""
    allowed: int = 0
    """The difference of integers that is proved possible, where two roundings are not the same by definition."""
    stopped: str | None = None
    """Why the level did not run to its end: a race, a deadlock, a read of what nothing wrote."""
    how: str = ""
    """What ran in which way, where there are several with the same results."""

    @property
    def holds(self) -> bool:
        """Whether the level ran to its end and nothing differs by more than is allowed."""
        return self.largest <= self.allowed and self.stopped is None

    def as_json(self) -> dict[str, Any]:
        """The fields as plain values, the first difference as its sentence."""
        return {**asdict(self), "first": None if self.first is None else str(self.first)}

    def __str__(self) -> str:
        if self.stopped is not None:
            return f"{self.level:<12} stopped after {self.seconds:.1f} s, seed {self.seed}: {self.stopped}"
        line = (
            f"{self.level:<12} = reference: {self.outputs} outputs, {self.tensors} tensors, {self.values} values "
            f"compared, {self.differences} differences, seed {self.seed}, {self.seconds:.1f} s"
            f"{f' ({self.how})' if self.how else ''}"
        )
        if self.first is None:
            return line
        if self.holds:
            share = 100 * self.differences / self.values
            return (
                f"{line}\n             each operator alone: {share:.3g} % of the values differ by 1, next to ties, "
                "which float32 may round to the other side"
            )
        return f"{line}\n             first difference: {self.first}"


def compare(
    level: str,
    found: Execution,
    expected: Execution,
    *,
    seed: int,
    seconds: float,
    allowed: int = 0,
) -> Comparison:
    """
    Compare (outputs, named tensors) of a level with those expected.

    Outputs are the same in number and order by construction of the levels; of the named tensors those are compared that
    both have, since fusion and mapping leave some of them without a place of their own. `allowed` is for integers.
    """
    names = list(found.outputs)
    assert names == list(expected.outputs), f"{level} has outputs {names}, expected {list(expected.outputs)}"
    named = [name for name in expected.tensors if name in found.tensors]
    pairs = [(name, expected.tensors[name], found.tensors[name]) for name in named]
    pairs += [(name, expected.outputs[name], found.outputs[name]) for name in names]
    values, differences, largest, first = 0, 0, 0, None
    for name, wanted, got in pairs:
        difference = first_difference(name, wanted, got)
        values += wanted.size
        if difference is not None:
            differences += difference.differing
            largest = max(largest, largest_difference(wanted, got, allowed))
            first = first or difference
    counts = len(names), len(named), values, differences
    return Comparison(level, *counts, seed, seconds, first, largest, allowed, how=found.how)


def stopped(level: str, reason: str, *, seed: int, seconds: float) -> Comparison:
    """The result for a level that did not run to its end, so that nothing could be compared."""
    return Comparison(level, 0, 0, 0, 0, seed, seconds, stopped=reason)


FLOAT_UNITS = 4
"""A handful of roundings of one unit each; the smallest int8 difference before a host segment is far larger."""


def _differing(expected: npt.NDArray[Any], found: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if not np.issubdtype(expected.dtype, np.floating):
        return expected != found
    same = (expected == found) | (np.isnan(expected) & np.isnan(found))
    finite = np.isfinite(expected) & np.isfinite(found)
    wanted, got = np.where(finite, expected, 0), np.where(finite, found, 0)
    near = np.abs(wanted - got) <= FLOAT_UNITS * np.spacing(np.maximum(np.abs(wanted), np.abs(got)))
    return ~(same | (finite & near))


def largest_difference(expected: npt.NDArray[Any], found: npt.NDArray[Any], allowed: int) -> int:
    """How far two integer arrays that differ lie apart; floats, for which nothing is allowed, lie beyond it."""
    if np.issubdtype(expected.dtype, np.integer):
        return int(np.abs(expected.astype(np.int64) - found.astype(np.int64).reshape(expected.shape)).max())
    return allowed + 1


def first_difference(tensor: str, expected: npt.NDArray[Any], found: npt.NDArray[Any]) -> Difference | None:
    """Where `found` is not `expected`; None when it is. Shapes that only differ by ones are the same."""
    assert expected.dtype == found.dtype, f"'{tensor}' is {found.dtype}, expected {expected.dtype}"
    assert expected.size == found.size, f"'{tensor}' has shape {found.shape}, expected {expected.shape}"
    differs = np.flatnonzero(_differing(expected.reshape(-1), found.reshape(-1)))
    if differs.size == 0:
        return None
    at = int(differs[0])
    index = tuple(int(position) for position in np.unravel_index(at, expected.shape))
    wanted, got = expected.reshape(-1)[at], found.reshape(-1)[at]
    return Difference(tensor, index, float(wanted), float(got), int(differs.size), expected.size)
