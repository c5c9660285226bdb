"""Allocate, or say which buffers in which steps are too many, by how much, and what would fit."""

from __future__ import annotations

from compiler.allocation.bound import LowerBound, Section, lower_bound
from compiler.allocation.greedy import best_of_orders
from compiler.allocation.problem import Problem, Solution
from compiler.allocation.refine import refine
from compiler.errors import CapacityError

NAMED_BUFFERS = 8
"""An error names at most this many buffers of the section, largest first: those are the ones worth changing."""


def allocate(problem: Problem, memory: str = "the memory") -> Solution:
    """
    Offsets within the capacity, as low as the heuristics get. Raises CapacityError when they do not fit.

    `memory` is only for the message: "MemTile of column 2".
    """
    bound = lower_bound(problem)
    if bound.section is not None and bound.live_bytes > problem.capacity:
        raise CapacityError(_too_many_live_bytes(problem, bound.section, memory))
    order, solution = best_of_orders(problem, enough=bound.live_bytes)
    if solution.height > problem.capacity:
        solution = refine(order, enough=problem.capacity)
    if solution.height > problem.capacity:
        raise CapacityError(_no_order_fits(problem, bound, solution, memory))
    return solution


def _too_many_live_bytes(problem: Problem, section: Section, memory: str) -> str:
    return (
        f"{memory} holds {problem.capacity} bytes, but {section.live_bytes} bytes are live in steps "
        f"[{section.lower}, {section.upper}): {_named(section)}; "
        f"{section.live_bytes - problem.capacity} bytes must go, {_smallest_help(problem, section)}"
    )


def _no_order_fits(problem: Problem, bound: LowerBound, solution: Solution, memory: str) -> str:
    assert bound.section is not None, "a problem without buffers always fits"
    return (
        f"{memory} holds {problem.capacity} bytes and no placement within them was found: {bound.live_bytes} bytes "
        f"live in steps [{bound.section.lower}, {bound.section.upper}) are needed at least, the best placement takes "
        f"{solution.height}; the fullest steps hold {_named(bound.section)}; {solution.height} bytes would fit, "
        "or smaller or shorter-lived buffers"
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
