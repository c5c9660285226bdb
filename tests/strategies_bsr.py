"""
Strategies for cases: a network of the `bsr` level, and a chip that may be small enough to be in trouble with it.

A case is drawn from one seed. Hypothesis would rather vary what it has drawn before (of 60 networks about 12 were
different, and most of their maps constant, so that six of nine planted errors survived): what is needed here is
variety. In return a failing network does not shrink; but the first tensor that differs names its layer, and what comes
after that layer can go.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from bsr_networks import Network
from hypothesis import strategies as st
from random_networks import random_network

LARGE_MESHES = ("mesh-8x8", "mesh-1x8", "mesh-8x1", "mesh-5x7", "mesh-3x8")


@dataclass(frozen=True)
class Place:
    """A target, and numbers of its chip to replace."""

    target: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A network on a chip, what hardware leaves open, and whether to look at the plan and the printed text as well."""

    network: Network
    place: Place
    seed: int
    thorough: bool


def random_place(random: Random) -> Place:
    """Meshes from 1x1 to 8x8 and presets, half of them with little memory."""
    small = f"mesh-{random.randint(1, 4)}x{random.randint(1, 4)}"
    target = random.choice((small, small, random.choice(("npu1", "npu1_3col", "npu2")), random.choice(LARGE_MESHES)))
    overrides: list[str] = []
    if random.random() < 0.5:
        overrides.append(f"memtile_bytes={random.choice((16, 24, 32, 64, 128)) * 1024}")
    if random.random() < 0.4:
        overrides.append(f"core_memory_bytes={random.choice((8, 12, 16, 32)) * 1024}")
    return Place(target, tuple(overrides))


def random_case(seed: int) -> Case:
    """The case of a seed."""
    random = Random(seed)
    return Case(random_network(random), random_place(random), random.randint(0, 2**16), random.random() < 0.25)


def cases() -> st.SearchStrategy[Case]:
    """Cases from all seeds alike."""
    return st.integers(0, 2**32 - 1).map(random_case)


def places() -> st.SearchStrategy[Place]:
    """The chips of `random_place`."""
    return st.integers(0, 2**16 - 1).map(lambda seed: random_place(Random(seed)))
