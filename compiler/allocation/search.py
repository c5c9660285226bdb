"""
Exact search for a placement within the capacity: every buffer rests on the skyline or is proved not to.

If there is a placement at all, there is one in which every buffer has sunk as far as it goes: it rests on the ground or
on a buffer (Moffitt's canonical placements, "MiniMalloc", ASPLOS 2023). So look at a *valley* of the skyline, a step
with higher steps on both sides. In a sunken placement

    either some buffer that lives within the valley rests on its floor,
    or nothing does, and the valley is filled with waste up to the lower of its walls.

The search chooses a valley and the preferred buffer within it, and branches on "it rests here" and "it does not". A
buffer that does not is *refused* until the floor below it changes. Any valley will do, since each must be settled in
the end; narrow valleys, or those with few choices, show early what cannot work. What cuts the tree down:

* **Section bound.** Each section has slack: capacity less skyline less what is still to be placed in it. Resting takes
  none of it, waste does. A valley that needs more waste than a section in it has slack is a dead end.
* **Waste ahead.** Sections of a valley that no choice covers will need waste: as much as the lowest choice is high.
* **Dominance.** Waste in which a refused buffer would have had room is a worse copy of where it was not refused.
* **Sections apart.** Where nothing to be placed crosses from one section to the next, both sides are solved one by
  one, and what fails on one side does not undo the other.
* A buffer that meets none of those to be placed is not worth a second thought; of equal buffers the first goes first.

There are no copies but of short lists, and no recursion: the alternative to each step waits on a stack.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import TypeAlias

from compiler.allocation.skyline import ENDLESS, Skyline, Tables, built, cut, raised

Urgency: TypeAlias = Callable[[int, int, int], tuple[int, int]]
"""(choices, sections, floor) of a valley to a key: the valley with the least is settled next."""

FEW_CHOICES = 4
"""Up to so many choices it pays to look for sections that none of them covers (measured)."""
NODES_BETWEEN_LOOKS = 256
"""At the clock: some milliseconds."""


class Outcome(Enum):
    """How a search ended."""

    FOUND = "found"
    IMPOSSIBLE = "impossible"
    """The whole tree was searched."""
    GAVE_UP = "gave up"


@dataclass(frozen=True)
class _State:
    """What is still open, and what comes after it."""

    skyline: Skyline
    slack: list[int]
    """Bytes by section."""
    open: int
    """Buffers to be placed here."""
    refused: int
    """Of these, those that shall not rest on the floor now below them."""
    rest: _Rest | None


@dataclass(frozen=True)
class _Rest:
    """Another part, to be solved when this one is, and how many alternatives to keep then."""

    alternatives: int
    state: _State


@dataclass(frozen=True)
class _Choice:
    """A buffer and the step of the skyline on which it may rest."""

    step: int
    buffer: int


@dataclass
class Search:
    """One search with one order of preference."""

    tables: Tables
    capacity: int
    urgency: Urgency
    blame: list[float]
    """By buffer: how often it was still open in a section that had no room left. Grows while searching."""
    offsets: list[int] = field(default_factory=list[int])
    """By buffer, once found."""
    nodes: int = 0

    def run(self, nodes: int, deadline: float) -> Outcome:
        """Search until found or impossible, for at most so many nodes, and not beyond `deadline` on the clock."""
        tables = self.tables
        self.offsets = [0] * len(tables.buffers)
        slack = [self.capacity - live for live in tables.live_bytes]
        if min(slack, default=0) < 0:
            return Outcome.IMPOSSIBLE
        ground = [(0, 0), (tables.sections, ENDLESS)]
        everything = (1 << len(tables.buffers)) - 1
        state: _State | None = self._apart(ground, slack, everything, 0, range(1, tables.sections), None, 0)
        alternatives: list[_State] = []
        while True:
            while state is not None and not state.open:
                if state.rest is None:
                    return Outcome.FOUND
                del alternatives[state.rest.alternatives :]
                state = state.rest.state
            settled = None if state is None else self._settle(state)
            if settled is None:
                if not alternatives:
                    return Outcome.IMPOSSIBLE
                state = alternatives.pop()
                continue
            self.nodes += 1
            if self.nodes >= nodes or (self.nodes % NODES_BETWEEN_LOOKS == 0 and time.monotonic() > deadline):
                return Outcome.GAVE_UP
            state, choice = settled
            if state.open & tables.meets[choice.buffer] != 1 << choice.buffer:
                refused = state.refused | (tables.alike[choice.buffer] & state.open)
                alternatives.append(_State(state.skyline, state.slack, state.open, refused, state.rest))
            state = self._placed(state, choice, len(alternatives))

    def _settle(self, state: _State) -> tuple[_State, _Choice] | None:
        """Fill with waste what nothing can rest on, then the choice for the most urgent valley; None is a dead end."""
        tables, skyline, slack, refused = self.tables, state.skyline, state.slack, state.refused
        starts_from, ends_by = tables.starts_from, tables.ends_by
        while True:
            best, best_urgency = None, (ENDLESS, ENDLESS)
            left_wall = ENDLESS
            for index in range(len(skyline) - 1):
                start, floor = skyline[index]
                end, right_wall = skyline[index + 1]
                if left_wall > floor and right_wall > floor:
                    within = state.open & starts_from[start] & ends_by[end]
                    choices = within & ~refused
                    count = choices.bit_count()
                    wall = left_wall if left_wall < right_wall else right_wall
                    if not count:
                        if wall == ENDLESS or self._would_fit(within, floor, wall):
                            return None
                        waste = wall - floor
                        tightest = min(slack[start:end])
                        if tightest < waste:
                            self._blame(state.open, slack.index(tightest, start, end))
                            return None
                        slack = slack[:start] + [left - waste for left in slack[start:end]] + slack[end:]
                        refused &= ~within
                        skyline = raised(skyline, index, wall)
                        break
                    if count <= FEW_CHOICES and self._lacks_cover(state.open, choices, slack, start, end, wall - floor):
                        return None
                    urgency = self.urgency(count, end - start, floor)
                    if urgency < best_urgency:
                        best, best_urgency = _Choice(index, (choices & -choices).bit_length() - 1), urgency
                left_wall = floor
            else:
                assert best is not None, "the lowest step of a skyline is a valley"
                return _State(skyline, slack, state.open, refused, state.rest), best

    def _would_fit(self, refused: int, floor: int, wall: int) -> bool:
        """Whether one of the refused buffers would have had room below the wall."""
        size, alignment = self.tables.size, self.tables.alignment
        while refused:
            bit = refused & -refused
            refused ^= bit
            index = bit.bit_length() - 1
            if floor + -floor % alignment[index] + size[index] <= wall:
                return True
        return False

    def _lacks_cover(self, unplaced: int, choices: int, slack: list[int], start: int, end: int, waste: int) -> bool:
        """Whether a section of a valley is covered by no choice and has no slack for the waste that this means."""
        tables = self.tables
        bare = (1 << end) - (1 << start)
        while choices:
            bit = choices & -choices
            choices ^= bit
            index = bit.bit_length() - 1
            bare &= ~tables.spans[index]
            if tables.size[index] < waste:
                waste = tables.size[index]
        while bare:
            bit = bare & -bare
            bare ^= bit
            if slack[bit.bit_length() - 1] < waste:
                self._blame(unplaced, bit.bit_length() - 1)
                return True
        return False

    def _blame(self, unplaced: int, section: int) -> None:
        waiting = unplaced & self.tables.live[section]
        while waiting:
            bit = waiting & -waiting
            waiting ^= bit
            self.blame[bit.bit_length() - 1] += 1

    def _placed(self, state: _State, choice: _Choice, alternatives: int) -> _State | None:
        """The state with the choice made; None if its alignment needs bytes that are not there."""
        tables, index = self.tables, choice.buffer
        first, last = tables.first[index], tables.last[index]
        floor = state.skyline[choice.step][1]
        slack, gap = state.slack, -floor % tables.alignment[index]
        if gap:
            within = slack[first:last]
            if min(within) < gap:
                return None
            slack = slack[:first] + [left - gap for left in within] + slack[last:]
        offset = floor + gap
        self.offsets[index] = offset
        unplaced = state.open & ~(1 << index)
        refused = state.refused & ~tables.meets[index]
        skyline = built(state.skyline, choice.step, first, last, offset + tables.size[index])
        return self._apart(skyline, slack, unplaced, refused, range(first + 1, last), state.rest, alternatives)

    def _apart(
        self,
        skyline: Skyline,
        slack: list[int],
        unplaced: int,
        refused: int,
        borders: range,
        rest: _Rest | None,
        alternatives: int,
    ) -> _State:
        """One state, or a chain of states where nothing to be placed crosses one of the borders."""
        crossing = self.tables.crossing
        cuts = [border for border in borders if not unplaced & crossing[border]]
        if cuts:
            edges = [skyline[0][0], *cuts, skyline[-1][0]]
            parts: list[tuple[int, int, int]] = []
            for start, end in pairwise(edges):
                inside = unplaced & self.tables.starts_from[start] & self.tables.ends_by[end]
                if inside:
                    parts.append((start, end, inside))
            for start, end, inside in parts[1:]:
                part = _State(cut(skyline, start, end), slack, inside, refused & inside, rest)
                rest = _Rest(alternatives, part)
            if parts:
                start, end, unplaced = parts[0]
                skyline = cut(skyline, start, end)
                refused &= unplaced
        return _State(skyline, slack, unplaced, refused, rest)
