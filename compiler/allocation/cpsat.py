"""
The same question put to CP-SAT: rectangles with fixed sides in time, free sides in bytes, and no overlap.

OR-Tools is an extra (`pip install 'blockloom[ortools]'`) and only imported when asked for. One worker and a fixed seed:
the same problem gives the same answer, unless the clock ends it.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

from compiler.allocation.problem import Problem, Solution
from compiler.allocation.restarts import Searched
from compiler.allocation.search import Outcome
from compiler.errors import InputError


def solve_with_cpsat(problem: Problem, *, seconds: float = float("inf")) -> Searched:
    """A placement, or the proof that there is none, or neither in time. Raises InputError without OR-Tools."""
    try:
        cp_model: Any = import_module("ortools.sat.python.cp_model")
    except ModuleNotFoundError as error:
        raise InputError(
            "the method cp-sat needs OR-Tools, which is not installed: pip install 'blockloom[ortools]'"
        ) from error
    if any(buffer.size > problem.capacity for buffer in problem.buffers):
        return Searched(Outcome.IMPOSSIBLE, 0)
    model: Any = cp_model.CpModel()
    places: dict[str, Any] = {}
    lives: list[Any] = []
    bytes_taken: list[Any] = []
    for buffer in problem.buffers:
        highest = (problem.capacity - buffer.size) // buffer.alignment
        places[buffer.name] = model.new_int_var(0, highest, buffer.name)
        start = places[buffer.name] * buffer.alignment
        bytes_taken.append(model.new_fixed_size_interval_var(start, buffer.size, f"bytes of {buffer.name}"))
        lives.append(model.new_fixed_size_interval_var(buffer.lower, buffer.upper - buffer.lower, buffer.name))
    model.add_no_overlap_2d(lives, bytes_taken)
    solver: Any = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    if math.isfinite(seconds):
        solver.parameters.max_time_in_seconds = seconds
    status = solver.solve(model)
    nodes = int(solver.num_branches)
    if status == cp_model.INFEASIBLE:
        return Searched(Outcome.IMPOSSIBLE, nodes)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Searched(Outcome.GAVE_UP, nodes)
    offsets = {buffer.name: buffer.alignment * int(solver.value(places[buffer.name])) for buffer in problem.buffers}
    height = max((offsets[buffer.name] + buffer.size for buffer in problem.buffers), default=0)
    return Searched(Outcome.FOUND, nodes, Solution(offsets, height))
