"""
The numbers that random networks are made of: sizes, positions, clamps, shifts.

Most are drawn so that a map stays alive, and some from everything that is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from bsr_networks import FULL, Mask, Numbers, Pair, Rounding

MOST_CELLS = 12_000
"""Cells of one map: what keeps an example at a few hundred milliseconds."""
MOST_TERMS = 400_000
"""Weights of one layer."""
SELDOM = 0.06
"""
How often a number is drawn from everything that is allowed. Values that vanish or saturate are worth an example, but a
network of nothing else compares constants with constants: most numbers are drawn so that a map stays alive.
"""
MASKS: tuple[Mask, ...] = (
    *("full", "full", "half", "half", "half", "first_row", "first_column", "last_row", "last_column", "diagonal"),
    "empty",
)
NUMBERS: tuple[Numbers, ...] = ("any", "any", "any", "any", "any", "small", "ends", "low", "high")
ROUNDINGS: tuple[Rounding, ...] = ("half_even", "half_up")
USUAL_CLAMPS: tuple[Pair, ...] = (FULL, FULL, FULL, (0, 127), (0, 48), (-100, 90))


@dataclass(frozen=True)
class Value:
    """Shape and position of a value under construction."""

    shape: tuple[int, ...]
    position: int

    @property
    def is_map(self) -> bool:
        """Whether it has height and width."""
        return len(self.shape) == 4


def seldom(random: Random) -> bool:
    """Whether to draw from everything that is allowed."""
    return random.random() < SELDOM


def near(random: Random, position: int) -> int:
    """A position that keeps most of what lies at `position`."""
    if seldom(random):
        return random.randint(-8, 12)
    return max(-20, min(position + random.choice((0, 0, -1, 1, -2)), 20))


def clamp_of(random: Random) -> Pair:
    """Usual bounds, now and then any."""
    if not seldom(random):
        return random.choice(USUAL_CLAMPS)
    ends = random.randint(-128, 127), random.randint(-128, 127)
    return random.choice(((5, 5), (-128, -1), (127, 127), (min(ends), max(ends))))


def channels_of(random: Random) -> int:
    """A few odd numbers, small ones, and up to 600."""
    few = random.choice((1, 3, 8, 16, 17))
    many = random.choice((224, 288, random.randint(1, 600))) if seldom(random) else random.randint(1, 200)
    return random.choice((few, random.randint(1, 40), many))


def shift_of(random: Random, terms: int, source: int, position: int) -> int:
    """A shift that leaves a sum of `terms` random products within int8, and the weights' position within its type."""
    usual = 7 + terms.bit_length() // 2 + random.choice((0, 0, 1, -1, -2))
    shift = random.randint(0, 31) if seldom(random) else usual
    return max(0, min(shift, 31, 32 - position + source))


def sides_of(random: Random) -> Pair:
    """Height and width: ordinary, prime, one pixel, wide, or tall."""
    primes = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31)
    match random.choice(("ordinary", "ordinary", "prime", "pixel", "wide", "tall")):
        case "ordinary":
            return random.randint(1, 16), random.randint(1, 16)
        case "prime":
            return random.choice(primes), random.choice(primes)
        case "pixel":
            return (1, 1)
        case "wide":
            return random.randint(1, 4), random.randint(17, 512 if random.random() < 0.9 else 620)
        case _:
            return random.randint(17, 420 if random.random() < 0.9 else 620), random.randint(1, 4)
