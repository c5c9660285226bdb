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

from compiler.kernels.code_size import kernel_bytes
from compiler.kernels.parameters import Kernel

SIDES = (1, 1, 1, 2, 2, 2, 3, 3, 4)
"""Rows and columns of small meshes: an example costs as much as it has cores, and most mistakes need few of them."""
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


LIMITS = {
    "core_locks": (8, 9, 12),
    "memtile_locks": (16, 24, 40),
    "lock_limit": (8, 15, 31),
    "core_descriptors": (4, 6, 9),
    "memtile_descriptors": (12, 16, 24, 36),
    "shim_descriptors": (2, 4, 7),
    "queue_depth": (3, 6),
    "run_limit": (2, 16, 100),
    "iteration_limit": (4, 8, 32),
    "memtile_wrap_limit": (64, 100, 255),
    "core_wrap_limit": (16, 63),
    "pad_limit": (1, 3, 7),
    "core_length_limit": (1024, 4096),
    "core_weight_bytes": (4096, 12288),
    "core_stack_bytes": (1024, 4096),
}
"""
Numbers of a chip that a program has to respect, and fewer of each than any real chip has. Lengths and steps in MemTiles
are not among them: no MemTile is larger than what its descriptors reach, and planning relies on it.
"""
PROGRAM_MEMORIES = tuple(-(-4 * kernel_bytes(Kernel.CONV) // 3) + more for more in (2, 600, 2000, 4000))
"""Bytes in which a convolution fits beside few other kernels, or none."""
AIE2P = ("mac_per_cycle=512", "load_bytes_per_cycle=128", "store_bytes_per_cycle=64")


def random_place(random: Random) -> Place:
    """
    Meshes from 1x1 to 8x8 and presets, half of them with little memory, some short of something else, some with room
    for few kernels in a program.
    """
    small = f"mesh-{random.choice(SIDES)}x{random.choice(SIDES)}"
    large = (random.choice(("npu1", "npu1_3col", "npu2")), random.choice(LARGE_MESHES))
    target = random.choice((*[small] * 8, *large))
    overrides: list[str] = []
    if random.random() < 0.5:
        memory = random.choice((16, 24, 32, 64, 128)) * 1024 + random.choice((0, 0, 4 * random.randint(-300, 300)))
        overrides.append(f"memtile_bytes={memory}")
    if random.random() < 0.4:
        memory = random.choice((8, 12, 16, 32)) * 1024 + random.choice((0, 0, 4 * random.randint(0, 600)))
        overrides.append(f"core_memory_bytes={memory}")
    if random.random() < 0.3:
        limits = random.sample(sorted(LIMITS), k=random.choice((1, 1, 3)))
        overrides += [f"{name}={random.choice(LIMITS[name])}" for name in limits]
    if target.startswith("mesh") and random.random() < 0.2:
        overrides += AIE2P
    if random.random() < 0.2:
        overrides.append(f"program_memory_bytes={random.choice(PROGRAM_MEMORIES)}")
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
