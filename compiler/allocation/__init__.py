"""Memory allocation: what a problem is, what a correct solution is, and how one is found."""

from compiler.allocation.allocate import Method, allocate
from compiler.allocation.bound import LowerBound, Section, lower_bound, sections
from compiler.allocation.checker import check, require_valid
from compiler.allocation.problem import Buffer, Problem, Solution

__all__ = [
    "Buffer",
    "LowerBound",
    "Method",
    "Problem",
    "Section",
    "Solution",
    "allocate",
    "check",
    "lower_bound",
    "require_valid",
    "sections",
]
