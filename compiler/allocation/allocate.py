"""Allocate, or say which buffers in which steps are too many, by how much, and what would fit."""

from __future__ import annotations

from enum import Enum

from compiler.allocation.bound import LowerBound, Section, lower_bound
from compiler.allocation.cpsat import solve_with_cpsat
from compiler.allocation.greedy import best_of_orders
from compiler.allocation.problem import Problem, Solution
from compiler.allocation.restarts import search_placement
from compiler.allocation.search import Outcome
from compiler.errors import CapacityError

NAMED_BUFFERS = 8
"""An error names at most this many buffers of the section, largest first: those are the ones worth changing."""
COMPILE_NODES = 20_000
"""Of the search within a compilation: about a second (measured). Counted, not timed: every machine finds the same."""


class Method(Enum):
    """How a placement is looked for when the fixed orders do not fit."""

    AUTO = "auto"
    """Fixed orders, then exact search."""
    GREEDY = "greedy"
    """Fixed orders only."""
    SEARCH = "search"
    """Exact search at once."""
    CPSAT = "cp-sat"
    """Exact search by OR-Tools."""


def allocate(
    problem: Problem,
    memory: str = "the memory",
    *,
    method: Method = Method.AUTO,
    nodes: int = COMPILE_NODES,
    seconds: float = float("inf"),
) -> Solution:
    """
    Offsets within the capacity; where the fixed orders fit, as low as they get. Raises CapacityError if none is found.

    `nodes` and `seconds` limit the search. `memory` is only for the message: "MemTile of column 2".
    """
    bound = lower_bound(problem)
    if bound.section is not None and bound.live_bytes > problem.capacity:
        raise CapacityError(_too_many_live_bytes(problem, bound.section, memory))
    greedy = best_of_orders(problem, enough=bound.live_bytes)
    if method in (Method.AUTO, Method.GREEDY) and greedy.height <= problem.capacity:
        return greedy
    if method is Method.GREEDY:
        raise CapacityError(_does_not_fit(problem, bound, greedy, memory, "in any order of size, area or life"))
    if method is Method.CPSAT:
        searched = solve_with_cpsat(problem, seconds=seconds)
    else:
        searched = search_placement(problem, nodes=nodes, seconds=seconds)
    if searched.solution is not None:
        return searched.solution
    impossible = searched.outcome is Outcome.IMPOSSIBLE
    how = f"{'by a complete' if impossible else 'in a'} search of {searched.nodes} nodes"
    raise CapacityError(_does_not_fit(problem, bound, greedy, memory, how))


def _too_many_live_bytes(problem: Problem, section: Section, memory: str) -> str:
    return (
        f"{memory} holds {problem.capacity} bytes, but {section.live_bytes} bytes are live in steps "
        f"[{section.lower}, {section.upper}): {_named(section)}; "
        f"{section.live_bytes - problem.capacity} bytes must go, {_smallest_help(problem, section)}"
    )


def _does_not_fit(problem: Problem, bound: LowerBound, greedy: Solution, memory: str, how: str) -> str:
    assert bound.section is not None, "a problem without buffers always fits"
    return (
        f"{memory} holds {problem.capacity} bytes and no placement within them was found {how}: {bound.live_bytes} "
        f"bytes live in steps [{bound.section.lower}, {bound.section.upper}) are needed at least, the best fixed "
        f"order takes {greedy.height}; the fullest steps hold {_named(bound.section)}; {greedy.height} bytes "
        "would fit, or smaller or shorter-lived buffers"
    )


def _named(section: Section) -> str:
    largest = sorted(section.buffers, key=lambda buffer: (-buffer.size, buffer.name))
    shown = ", ".join(f"'{buffer.name}' {buffer.size}" for buffer in largest[:NAMED_BUFFERS])
    hidden = largest[NAMED_BUFFERS:]
    if not hidden:
        return shown
    return f"{shown} and {len(hidden)} more with {sum(buffer.size for buffer in hidden)} together"


def _smallest_help(problem: Problem, section: Section) -> str:
    """The single buffer of least size that, kept elsewhere, lets this section fit; else the sum that would."""
    excess = section.live_bytes - problem.capacity
    enough = [buffer for buffer in section.buffers if buffer.size >= excess]
    if not enough:
        return f"more than any one buffer here has; a memory of {section.live_bytes} bytes would fit"
    smallest = min(enough, key=lambda buffer: (buffer.size, buffer.name))
    return f"for example '{smallest.name}' ({smallest.size} bytes) kept elsewhere would fit"
