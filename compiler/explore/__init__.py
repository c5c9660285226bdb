"""Many networks on many chips at many sparsities: one row of numbers for each, as CSV and as pictures."""

from compiler.explore.point import Point, Row
from compiler.explore.run import Scheduler, explore

__all__ = ["Point", "Row", "Scheduler", "explore"]
