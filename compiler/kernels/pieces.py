"""
What each straight piece of a kernel body issues, and how long its list schedule is.

The counts and schedules are those of the MLIR bodies, and a test makes them again (`tests/kernels/counting.py`;
slots, latencies and their source are in `tests/kernels/list_schedule.py`). Counted are memory accesses by bytes,
vector operations by 512-bit halves, and scalar operations except what the load and store units do by themselves:
address arithmetic that only follows the loop's own index, and adding a value from before the loop to an address.
Bank conflicts and registers are not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel

SCHEDULED_LOAD_LATENCY, SCHEDULED_BRANCH = 7, 6
"""`load_latency_cycles` and `branch_cycles` of the schedules behind `Code.straight`."""


@dataclass(frozen=True)
class Code:
    """What a piece of code issues."""

    loads: tuple[int, ...] = ()
    """Bytes of each."""
    stores: tuple[int, ...] = ()
    """Bytes of each."""
    products: int = 0
    """Matrix products."""
    vectors: int = 0
    """Lane-wise operations, shuffles and moves, each of 512 bits."""
    narrowings: int = 0
    """Shift-round-saturate operations, which issue where stores do."""
    scalars: int = 0
    straight: int = 0
    """Cycles of its list schedule on AIE2; 0 for the body of an innermost loop."""
    branches: int = 0
    """Among those cycles: to a side of each choice, and back for the next round of a loop that is not innermost."""

    def pipelined(self, chip: Chip) -> int:
        """Cycles between two iterations of an innermost loop with this body: those of its busiest slot."""
        width = chip.load_bytes_per_cycle // 2
        loads = sum(-(-size // width) for size in self.loads)
        stores = sum(-(-size // chip.store_bytes_per_cycle) for size in self.stores)
        # scalars are loaded by one of the two load units only
        scalar_loads = self.loads.count(4)
        return max(-(-loads // 2), scalar_loads, stores + self.narrowings, self.products, self.vectors, self.scalars, 1)

    def alone(self, chip: Chip) -> int:
        """Cycles outside an innermost loop."""
        slower_loads = chip.load_latency_cycles - SCHEDULED_LOAD_LATENCY if self.loads else 0
        return self.straight + slower_loads + self.branches * (chip.branch_cycles - SCHEDULED_BRANCH)


CONV = {
    "/if0+": Code(scalars=2, straight=2),
    "/if0-/for0": Code(loads=(4,), scalars=4),
    "/if1+/for0/for0/for0/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 7), products=7, scalars=3),
    "/if1+/for0/for0/for0": Code(
        loads=(*(4,) * 2, 32), stores=(*(64,) * 3, 32), products=7, vectors=25, narrowings=14, straight=33, branches=1
    ),
    "/if1+/for0/for0": Code(loads=(*(4,) * 2, 32), vectors=9, scalars=10, straight=24, branches=1),
    "/if1+/for0/for1/for0/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 4), products=4, scalars=3),
    "/if1+/for0/for1/for0": Code(
        loads=(*(4,) * 2, 32), stores=(64,) * 2, products=4, vectors=14, narrowings=8, straight=22, branches=1
    ),
    "/if1+/for0/for1": Code(loads=(*(4,) * 2, 32), vectors=6, scalars=7, straight=21, branches=1),
    "/if1+/for0/for2/for0/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 2), products=2, scalars=3),
    "/if1+/for0/for2/for0": Code(
        loads=(*(4,) * 2, 32), stores=(64,), products=2, vectors=8, narrowings=4, straight=16, branches=1
    ),
    "/if1+/for0/for2": Code(loads=(*(4,) * 2, 32), vectors=4, scalars=5, straight=19, branches=1),
    "/if1+/for0": Code(scalars=10, straight=16, branches=1),
    "/if1+": Code(scalars=2, straight=2),
    "/if1-/for0/for0/if0+": Code(loads=(*(4,) * 2, 32), vectors=9, straight=18),
    "/if1-/for0/for0/if0-": Code(loads=(*(128,) * 7, *(4,) * 2), scalars=4, straight=40),
    "/if1-/for0/for0/for0/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 7), products=7, scalars=3),
    "/if1-/for0/for0/for0/if0+": Code(
        loads=(*(128,) * 7, *(4,) * 2),
        stores=(*(64,) * 3, 32),
        products=7,
        vectors=16,
        narrowings=14,
        scalars=4,
        straight=40,
    ),
    "/if1-/for0/for0/for0/if0-/if0+": Code(loads=(*(4,) * 2, 32), stores=(128,) * 7, vectors=9, straight=28),
    "/if1-/for0/for0/for0/if0-/if0-": Code(loads=(*(128,) * 7, *(4,) * 2), stores=(128,) * 7, scalars=4, straight=40),
    "/if1-/for0/for0/for0/if0-": Code(straight=6, branches=1),
    "/if1-/for0/for0/for0": Code(straight=12, branches=2),
    "/if1-/for0/for0": Code(scalars=10, straight=17, branches=2),
    "/if1-/for0/for1/if0+": Code(loads=(*(4,) * 2, 32), vectors=6, straight=15),
    "/if1-/for0/for1/if0-": Code(loads=(*(128,) * 4, *(4,) * 2), scalars=4, straight=28),
    "/if1-/for0/for1/for0/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 4), products=4, scalars=3),
    "/if1-/for0/for1/for0/if0+": Code(
        loads=(*(128,) * 4, *(4,) * 2), stores=(64,) * 2, products=4, vectors=8, narrowings=8, scalars=4, straight=28
    ),
    "/if1-/for0/for1/for0/if0-/if0+": Code(loads=(*(4,) * 2, 32), stores=(128,) * 4, vectors=6, straight=16),
    "/if1-/for0/for1/for0/if0-/if0-": Code(loads=(*(128,) * 4, *(4,) * 2), stores=(128,) * 4, scalars=4, straight=28),
    "/if1-/for0/for1/for0/if0-": Code(straight=6, branches=1),
    "/if1-/for0/for1/for0": Code(straight=12, branches=2),
    "/if1-/for0/for1": Code(scalars=7, straight=15, branches=2),
    "/if1-/for0/for2/if0+": Code(loads=(*(4,) * 2, 32), vectors=4, straight=13),
    "/if1-/for0/for2/if0-": Code(loads=(*(128,) * 2, *(4,) * 2), scalars=4, straight=20),
    "/if1-/for0/for2/for0/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 2), products=2, scalars=3),
    "/if1-/for0/for2/for0/if0+": Code(
        loads=(*(128,) * 2, *(4,) * 2), stores=(64,), products=2, vectors=4, narrowings=4, scalars=4, straight=20
    ),
    "/if1-/for0/for2/for0/if0-/if0+": Code(loads=(*(4,) * 2, 32), stores=(128,) * 2, vectors=4, straight=13),
    "/if1-/for0/for2/for0/if0-/if0-": Code(loads=(*(128,) * 2, *(4,) * 2), stores=(128,) * 2, scalars=4, straight=20),
    "/if1-/for0/for2/for0/if0-": Code(straight=6, branches=1),
    "/if1-/for0/for2/for0": Code(straight=12, branches=2),
    "/if1-/for0/for2": Code(scalars=5, straight=15, branches=2),
    "/if1-/for0": Code(scalars=10, straight=16, branches=1),
    "/if1-": Code(scalars=3, straight=3),
    "/if2+/for0/for0": Code(loads=(32,) * 4, stores=(64,), products=6, vectors=4, narrowings=4),
    "/if2+/for0": Code(loads=(4,), scalars=11, straight=20, branches=1),
    "/if2+": Code(loads=(4,) * 6, vectors=7, scalars=10, straight=17),
    "": Code(loads=(4,) * 16, vectors=3, scalars=23, straight=43, branches=3),
}

CONV_20 = CONV | {
    "/if1+/for0/for1/for0/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 5), products=5, scalars=3),
    "/if1+/for0/for1/for0": Code(
        loads=(*(4,) * 2, 32), stores=(*(64,) * 2, 32), products=5, vectors=19, narrowings=10, straight=27, branches=1
    ),
    "/if1+/for0/for1": Code(loads=(*(4,) * 2, 32), vectors=7, scalars=8, straight=22, branches=1),
    "/if1-/for0/for1/if0+": Code(loads=(*(4,) * 2, 32), vectors=7, straight=16),
    "/if1-/for0/for1/if0-": Code(loads=(*(128,) * 5, *(4,) * 2), scalars=4, straight=32),
    "/if1-/for0/for1/for0/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 5), products=5, scalars=3),
    "/if1-/for0/for1/for0/if0+": Code(
        loads=(*(128,) * 5, *(4,) * 2),
        stores=(*(64,) * 2, 32),
        products=5,
        vectors=12,
        narrowings=10,
        scalars=4,
        straight=32,
    ),
    "/if1-/for0/for1/for0/if0-/if0+": Code(loads=(*(4,) * 2, 32), stores=(128,) * 5, vectors=7, straight=20),
    "/if1-/for0/for1/for0/if0-/if0-": Code(loads=(*(128,) * 5, *(4,) * 2), stores=(128,) * 5, scalars=4, straight=32),
    "/if1-/for0/for1": Code(scalars=8, straight=15, branches=2),
}
"""The same in steps of which the second size is longer."""

ADD = {
    "/if0+/for0": Code(loads=(32,) * 4, stores=(64,), products=6, vectors=4, narrowings=4),
    "/if0+": Code(vectors=4, scalars=2, straight=6),
    "/if0-/for0": Code(loads=(32,) * 2, stores=(32,), products=3, vectors=10, narrowings=2),
    "/if0-": Code(vectors=4, straight=5),
    "": Code(loads=(4,) * 9, vectors=3, scalars=12, straight=23, branches=1),
}

REQUANTISE = {
    "/if0+/for0": Code(loads=(32,) * 2, stores=(64,), products=4, vectors=4, narrowings=4),
    "/if0+": Code(vectors=2, scalars=1, straight=5),
    "/if0-/for0": Code(loads=(32,), stores=(32,), products=2, vectors=6, narrowings=2),
    "/if0-": Code(vectors=2, straight=3),
    "": Code(loads=(4,) * 7, vectors=3, scalars=9, straight=21, branches=1),
}

MAX_POOL = {
    "/for0": Code(loads=(4,), scalars=4),
    "/for1/for0/for0": Code(loads=(4, *(32,) * 4), vectors=2, scalars=6),
    "/for1/for0": Code(stores=(64,) * 2, vectors=4, scalars=7, straight=15, branches=1),
    "/for1/for1/for0": Code(loads=(4, *(32,) * 8), vectors=6, scalars=6),
    "/for1/for1": Code(stores=(64,) * 2, vectors=4, scalars=7, straight=15, branches=1),
    "/for1/for2/for0/for0/for0": Code(loads=(8,) * 4, vectors=4, scalars=12),
    "/for1/for2/for0/for0": Code(loads=(4,), straight=13, branches=1),
    "/for1/for2/for0": Code(stores=(32,), vectors=2, straight=6, branches=1),
    "/for1/for2": Code(scalars=3, straight=9, branches=1),
    "/for1": Code(straight=6, branches=1),
    "": Code(loads=(4,) * 10, vectors=2, scalars=32, straight=42),
}

AVG_POOL = {
    "/for0": Code(loads=(4,), scalars=4),
    "/for1/for0": Code(scalars=4),
    "/for1/if0+/for0/for0/for0": Code(loads=(4, *(32,) * 5), products=5, scalars=6),
    "/for1/if0+/for0/for0": Code(
        stores=(*(64,) * 2, 32), products=10, vectors=17, narrowings=15, scalars=2, straight=37, branches=1
    ),
    "/for1/if0+/for0/for1/for0": Code(loads=(4, *(32,) * 2), products=2, scalars=6),
    "/for1/if0+/for0/for1": Code(stores=(64,), products=4, vectors=6, narrowings=6, scalars=2, straight=27, branches=1),
    "/for1/if0+/for0": Code(straight=6, branches=1),
    "/for1/if0-/for0/for0": Code(loads=(4, *(8,) * 8), products=2, vectors=6, scalars=6),
    "/for1/if0-/for0/if0+": Code(products=4, vectors=4, narrowings=6, straight=22),
    "/for1/if0-/for0/if0-/for0/for0": Code(vectors=14),
    "/for1/if0-/for0/if0-/for0": Code(vectors=47, narrowings=1, scalars=1, straight=59, branches=1),
    "/for1/if0-/for0/if0-": Code(vectors=3, straight=4),
    "/for1/if0-/for0": Code(stores=(8,) * 8, vectors=10, scalars=26, straight=39, branches=2),
    "/for1/if0-": Code(scalars=2, straight=3),
    "/for1": Code(vectors=5, scalars=51, straight=65, branches=2),
    "": Code(loads=(4,) * 18, vectors=2, scalars=40, straight=50),
}

SCALED_CONV = {
    "/for0/for0/for0": Code(stores=(8,)),
    "/for0/for0": Code(scalars=16, straight=22, branches=1),
    "/for0": Code(loads=(4,), scalars=2, straight=15, branches=1),
    "/if0+/for0/for0/for0/for0": Code(loads=(32, 128), stores=(128,), vectors=4),
    "/if0+/for0/for0/for0": Code(loads=(4,), scalars=2, straight=15, branches=1),
    "/if0+/for0/for0/for1": Code(loads=(128,), stores=(32,), products=11, vectors=11, narrowings=7),
    "/if0+/for0/for0": Code(loads=(16,) * 5, vectors=5, straight=19, branches=1),
    "/if0+/for0": Code(scalars=10, straight=16, branches=1),
    "/if0+": Code(loads=(4,) * 7, vectors=3, scalars=9, straight=16),
    "": Code(loads=(4,) * 7, vectors=2, scalars=8, straight=23, branches=1),
}
"""Beside the convolution that it calls."""

SCALED_ADD = {
    "/for0": Code(loads=(32,) * 4, stores=(64,), products=20, vectors=11, narrowings=12),
    "": Code(loads=(4,) * 12, vectors=15, scalars=14, straight=22),
}

SCALED_REQUANTISE = {
    "/for0": Code(loads=(32,) * 2, stores=(64,), products=12, vectors=11, narrowings=10),
    "": Code(loads=(4,) * 9, vectors=11, scalars=11, straight=18),
}


MULTIPLY = {
    "/for0": Code(loads=(32,) * 4, stores=(64,), products=8, vectors=4, narrowings=8),
    "": Code(loads=(4,) * 9, vectors=7, scalars=11, straight=17),
}

EXTREMUM = {
    "/for0": Code(loads=(64,) * 2, stores=(64,), vectors=3),
    "": Code(loads=(4,) * 5, vectors=2, scalars=5, straight=13),
}


SCALED_MULTIPLY = {
    "/for0": Code(loads=(32,) * 4, stores=(64,), products=28, vectors=21, narrowings=18),
    "": Code(loads=(4,) * 12, vectors=12, scalars=16, straight=22),
}

LOOKUP = {
    "/for0": Code(loads=(4,) * 5, stores=(4,), scalars=13),
    "": Code(loads=(4,) * 2, scalars=2, straight=9),
}

MATMUL = {
    "/for0": Code(loads=(64,), stores=(64,), vectors=1),
    "/for1": Code(stores=(4,)),
    "/for2/for0": Code(stores=(4,)),
    "/for2": Code(stores=(32,), straight=7, branches=1),
    "": Code(loads=(4,) * 4, stores=(4,), scalars=10, straight=19),
}
"""Beside the convolution that it calls."""

SCALED_MATMUL = {
    "/for0": Code(loads=(64,), stores=(64,), vectors=1),
    "/for1": Code(stores=(4,)),
    "/for2/for0": Code(loads=(64,), products=1),
    "/for2/for1": Code(stores=(4,)),
    "/for2": Code(stores=(32,), vectors=3, straight=12, branches=1),
    "/for3/for0/for0": Code(loads=(32,), products=1),
    "/for3/for0/for1": Code(loads=(128,), stores=(32,), products=11, vectors=13, narrowings=7),
    "/for3/for0": Code(loads=(32,), products=1, vectors=1, straight=20, branches=1),
    "/for3": Code(scalars=8, straight=15, branches=1),
    "": Code(loads=(4,) * 15, stores=(4,), vectors=18, scalars=29, straight=59),
}
"""Beside the convolution that it calls."""

PIECES: dict[Kernel, dict[str, Code]] = {
    Kernel.CONV: CONV,
    Kernel.ADD: ADD,
    Kernel.REQUANTISE: REQUANTISE,
    Kernel.MAX_POOL: MAX_POOL,
    Kernel.AVG_POOL: AVG_POOL,
    Kernel.SCALED_CONV: SCALED_CONV,
    Kernel.SCALED_ADD: SCALED_ADD,
    Kernel.SCALED_REQUANTISE: SCALED_REQUANTISE,
    Kernel.SUBTRACT: ADD,
    Kernel.MULTIPLY: MULTIPLY,
    Kernel.MAXIMUM: EXTREMUM,
    Kernel.MINIMUM: EXTREMUM,
    Kernel.SCALED_SUBTRACT: SCALED_ADD,
    Kernel.SCALED_MULTIPLY: SCALED_MULTIPLY,
    Kernel.LOOKUP: LOOKUP,
    Kernel.MATMUL: MATMUL,
    Kernel.SCALED_MATMUL: SCALED_MATMUL,
    Kernel.CONV_20: CONV_20,
}
"""
Every piece of code of every kernel, as counted in its body, by its way from the function: `if1-` is the other side of
the second choice.
"""
