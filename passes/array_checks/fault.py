"""A fault, and the rules that find them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from passes.array_program import Program


@dataclass(frozen=True)
class Fault:
    """A rule that is broken: where (tile, channel, operation), and what was found against what."""

    rule: str
    where: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found} [{self.rule}]"


Found = tuple[str, str]
"""Where and what: a fault that does not know its rule yet."""

Rule = Callable[[Program], Iterator[Found]]


def faults_of(program: Program, rules: Iterable[Rule]) -> list[Fault]:
    """Every fault, rule by rule."""
    return [Fault(rule.__name__, where, found) for rule in rules for where, found in rule(program)]
