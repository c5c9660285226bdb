"""
The estimator: how long a network takes, from its plan at the `mem` level, in a fraction of a second.

    result = estimate(module)
    result.array_cycles, result.segments[0].bound

The simulator runs the generated program; the estimator never sees it. It puts the numbers of the plan (rows, chunks,
words, entries) into one recurrence per launch, with the same kernel cycle model and the same chip. The two agree, and
where they do not, one of them is wrong: that is what makes both worth having.

`compiler.estimate.published` is another thing: the cost model of the published system, kept as it was.
"""

from __future__ import annotations

from compiler.estimate.network import estimate
from compiler.estimate.result import ControllerEstimate, CoreCycles, Estimate, SegmentEstimate

__all__ = ["ControllerEstimate", "CoreCycles", "Estimate", "SegmentEstimate", "estimate"]
