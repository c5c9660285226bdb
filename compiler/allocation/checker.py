"""
What a correct allocation is. Slow, obvious, and independent of everything that solves.

Every allocator, every pass that assigns addresses and every test asks this one checker.
"""

from __future__ import annotations

from itertools import combinations

from compiler.allocation.problem import Problem, Solution
from compiler.errors import CapacityError


def check(problem: Problem, solution: Solution) -> list[str]:
    """Every way in which `solution` is wrong, as sentences; empty when it is right."""
    complaints: list[str] = []
    names = {buffer.name for buffer in problem.buffers}
    complaints += [f"'{name}' has no offset" for name in sorted(names - set(solution.offsets))]
    complaints += [f"'{name}' has an offset but is no buffer" for name in sorted(set(solution.offsets) - names)]
    placed = [buffer for buffer in problem.buffers if buffer.name in solution.offsets]
    for buffer in placed:
        offset = solution.offsets[buffer.name]
        if offset < 0:
            complaints.append(f"'{buffer.name}' starts at {offset}, before the memory")
        if offset % buffer.alignment != 0:
            complaints.append(f"'{buffer.name}' starts at {offset}, not a multiple of {buffer.alignment}")
        if offset + buffer.size > problem.capacity:
            complaints.append(f"'{buffer.name}' ends at {offset + buffer.size}, beyond the capacity {problem.capacity}")
    for one, other in combinations(placed, 2):
        start, other_start = solution.offsets[one.name], solution.offsets[other.name]
        share_step = one.lower < other.upper and other.lower < one.upper
        share_byte = start < other_start + other.size and other_start < start + one.size
        if share_step and share_byte:
            complaints.append(
                f"'{one.name}' [{start}, {start + one.size}) and '{other.name}' "
                f"[{other_start}, {other_start + other.size}) overlap in steps "
                f"[{max(one.lower, other.lower)}, {min(one.upper, other.upper)})"
            )
    height = max((solution.offsets[buffer.name] + buffer.size for buffer in placed), default=0)
    if solution.height != height:
        complaints.append(f"the height is said to be {solution.height}, the highest buffer ends at {height}")
    return complaints


def require_valid(problem: Problem, solution: Solution) -> None:
    """Raise CapacityError listing every complaint of `check`."""
    complaints = check(problem, solution)
    if complaints:
        raise CapacityError("the allocation is wrong: " + "; ".join(complaints))
