"""
`aie-check`: refuse programs of the array level that upstream accepts and hardware would run wrongly, or not to an end.

Upstream's verifiers leave field widths, alignment, overlaps, ranges of channels and locks, queue depths and the balance
of streams to whoever emits the program. This pass looks at all of it and lists every fault at once, each with its
place, what was found, and the numbers of the rule that it breaks. It changes nothing. The rules are in `array_checks`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from compiler.errors import BlockloomError
from passes.array_checks import ALL_RULES, Fault, faults_of
from passes.array_reader import devices_of, read_program

SHOWN = 8
"""Faults of one rule that a message shows; the others are counted."""


class ArrayFaultError(BlockloomError):
    """A program of the array level breaks rules; `faults` are all of them."""

    def __init__(self, faults: Sequence[Fault]):
        self.faults = tuple(faults)
        seen: Counter[str] = Counter()
        lines: list[str] = []
        for fault in self.faults:
            seen[fault.rule] += 1
            if seen[fault.rule] <= SHOWN:
                lines.append(str(fault))
        lines += [f"… and {count - SHOWN} more [{rule}]" for rule, count in seen.items() if count > SHOWN]
        super().__init__(f"the array program has {len(self.faults)} faults:\n  " + "\n  ".join(lines))


def check_array(module: ModuleOp) -> list[Fault]:
    """All faults of all devices of a module."""
    return [fault for device in devices_of(module) for fault in faults_of(read_program(module, device), ALL_RULES)]


@dataclass(frozen=True)
class AieCheckPass(ModulePass):
    """Refuse array programs that hardware would run wrongly, with all reasons at once."""

    name = "aie-check"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        faults = check_array(op)
        if faults:
            raise ArrayFaultError(faults)
