"""
Many short searches instead of a long one.

Which buffer is tried first decides whether a search is over at once or never: the mistakes of the first hundred
placements cannot be mended at the last ten. So each search gets few nodes, and the next one another order: the six
fixed ones at first, each with three ways to choose the next valley; then these orders with some noise, and with the
buffers moved forward that were left over when sections ran full. The nodes per search grow slowly, so that in the end
one of them is complete. Noise comes from a fixed seed: the same problem always gives the same answer, unless the clock
ends it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from compiler.allocation.greedy import by_area, by_changes, by_lifetime, by_peak_and_area, by_peak_and_lifetime, by_size
from compiler.allocation.problem import Buffer, Problem, Solution
from compiler.allocation.search import Outcome, Search, Urgency
from compiler.allocation.skyline import tables

FIRST_NODES = 1000
"""Of a search in the first round."""
GROWTH = 1.2
"""From round to round."""
BLAME_KEPT = 0.8
"""From search to search."""


@dataclass(frozen=True)
class Mixture:
    """How an order is changed, in shares of the number of buffers: places by chance, places forward by blame."""

    noise: float
    blame: float


AS_IT_IS = Mixture(0, 0)
MIXTURES = (Mixture(0.2, 0), Mixture(0.05, 0.5), Mixture(0.02, 1))
"""In turn after the first round (measured: the best of five such lists on the public hard instances)."""


def _fewest_choices(choices: int, sections: int, floor: int) -> tuple[int, int]:
    return choices, floor


def _narrowest(choices: int, sections: int, floor: int) -> tuple[int, int]:
    return sections, floor


def _lowest(choices: int, sections: int, floor: int) -> tuple[int, int]:
    return floor, sections


URGENCIES: tuple[Urgency, ...] = (_fewest_choices, _narrowest, _lowest)
ORDERS = (by_peak_and_area, by_peak_and_lifetime, by_lifetime, by_size, by_changes, by_area)


@dataclass(frozen=True)
class Searched:
    """What became of all searches together."""

    outcome: Outcome
    nodes: int
    solution: Solution | None = None


def search_placement(problem: Problem, *, nodes: int, seconds: float = float("inf")) -> Searched:
    """A placement within the capacity, or the proof that there is none, or neither after so many nodes or seconds."""
    deadline = time.monotonic() + seconds
    generator = random.Random(0)
    blame = {buffer.name: 0.0 for buffer in problem.buffers}
    orders = [order(problem.buffers) for order in ORDERS]
    spent, attempt = 0, 0
    while True:
        turn, kind = divmod(attempt, len(ORDERS) * len(URGENCIES))
        mixture = MIXTURES[(turn - 1) % len(MIXTURES)] if turn else AS_IT_IS
        order = _mixed(orders[kind // len(URGENCIES)], mixture, blame, generator)
        urgency = URGENCIES[kind % len(URGENCIES)]
        search = Search(tables(order), problem.capacity, urgency, [blame[buffer.name] for buffer in order])
        outcome = search.run(min(int(FIRST_NODES * GROWTH**turn), nodes - spent), deadline)
        spent += search.nodes
        if outcome is Outcome.FOUND:
            offsets = {buffer.name: offset for buffer, offset in zip(order, search.offsets, strict=True)}
            height = max((offsets[buffer.name] + buffer.size for buffer in order), default=0)
            return Searched(outcome, spent, Solution(offsets, height))
        if outcome is Outcome.IMPOSSIBLE or spent >= nodes or time.monotonic() > deadline:
            return Searched(outcome, spent)
        blame.update({buffer.name: BLAME_KEPT * value for buffer, value in zip(order, search.blame, strict=True)})
        attempt += 1


def _mixed(
    order: Sequence[Buffer], mixture: Mixture, blame: dict[str, float], generator: random.Random
) -> list[Buffer]:
    """The order, changed as the mixture says."""
    if mixture is AS_IT_IS:
        return list(order)
    most = max(blame.values()) or 1.0
    keys = {
        buffer.name: place
        + len(order) * (mixture.noise * generator.random() - mixture.blame * blame[buffer.name] / most)
        for place, buffer in enumerate(order)
    }
    return sorted(order, key=lambda buffer: (keys[buffer.name], buffer.name))
