"""
What upstream accepts silently and hardware does not: one function per rule, whose docstring is the rule.

A rule looks at a `Program` and yields a `Fault` for each place that breaks it. `ALL_RULES` is all of them; nothing else
decides what a correct program of the array level is.
"""

from __future__ import annotations

from passes.array_checks.balance import BALANCE_RULES
from passes.array_checks.cores import CORE_RULES
from passes.array_checks.descriptors import DESCRIPTOR_RULES, each_descriptor
from passes.array_checks.fault import Fault, Rule, faults_of
from passes.array_checks.liveness import LIVENESS_RULES
from passes.array_checks.order import ORDER_RULES
from passes.array_checks.rings import RING_RULES
from passes.array_checks.streams import STREAM_RULES
from passes.array_checks.tasks import TASK_RULES
from passes.array_checks.tiles import TILE_RULES

ALL_RULES: tuple[Rule, ...] = (
    *TILE_RULES,
    *STREAM_RULES,
    *CORE_RULES,
    *TASK_RULES,
    *(each_descriptor(rule) for rule in DESCRIPTOR_RULES),
    *ORDER_RULES,
    *RING_RULES,
    *BALANCE_RULES,
    *LIVENESS_RULES,
)

__all__ = ["ALL_RULES", "Fault", "Rule", "faults_of"]
