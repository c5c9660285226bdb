"""
How long a kernel call takes, from the structure of its body.

A core issues one instruction word per cycle, with two loads, a store, a matrix product, a lane-wise vector operation
and a scalar operation. Code is modelled in two ways. An innermost loop is software-pipelined: an iteration takes as
many cycles as its busiest slot, and the loop takes `loop_cycles` more to fill and drain. A piece of code around such
loops takes as long as its list schedule, which waits for operands and slots; nothing overlaps from one piece to the
next, and a branch costs `branch_cycles`. No share of the peak is assumed anywhere: utilisation is what comes out.

The counts and schedules below are those of the MLIR bodies, and a test makes them again (`tests/kernels/counting.py`;
slots, latencies and their source are in `tests/kernels/list_schedule.py`). Counted are memory accesses by bytes,
vector operations by 512-bit halves, and scalar operations except what the load and store units do by themselves:
address arithmetic that only follows the loop's own index, and adding a value from before the loop to an address.
Bank conflicts and registers are not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.row_steps import EVERY_SECOND, GROUP, NEIGHBOURS, SHORT_STEPS, row_steps, step_sizes
from compiler.kernels.semantics import Call, Words

P = Parameter

PRODUCT_BYTES, LANE_BYTES = 64, 32
"""Bytes of each operand that one step of the elementwise kernels reads, by matrix products and lane by lane."""
LARGEST_WEIGHT_SHIFT = 6
"""A left shift by more is done lane by lane."""
QUOTIENT_BITS = 9
"""Steps of the average's division."""


SCHEDULED_LOAD_LATENCY = 7
"""`load_latency_cycles` of the schedules behind `Code.straight`."""


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
        return self.straight + (chip.load_latency_cycles - SCHEDULED_LOAD_LATENCY if self.loads else 0)


def looped(chip: Chip, iterations: int, cycles: int) -> int:
    """A loop that is not innermost: a branch back per iteration."""
    return iterations * (cycles + chip.branch_cycles)


@dataclass(frozen=True)
class Work:
    """What a call finds in memory that its length depends on."""

    rows: int
    """Vertical taps that lie on the map."""
    entries: int = 0
    """Non-zero blocks in the chunk's lists of those taps, over all output blocks (convolution)."""


CONV = {
    "/for0": Code(loads=(4,), scalars=4),
    "/if0+/if0+/for0/for0/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 7), products=7, scalars=3),
    "/if0+/if0+/for0/for0": Code(stores=(*(64,) * 3, 32), vectors=15, narrowings=7, straight=26),
    "/if0+/if0+/for0/for1/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 4), products=4, scalars=3),
    "/if0+/if0+/for0/for1": Code(stores=(64,) * 2, vectors=8, narrowings=4, straight=19),
    "/if0+/if0+/for0/for2/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 2), products=2, scalars=3),
    "/if0+/if0+/for0/for2": Code(stores=(64,), vectors=4, narrowings=2, straight=14),
    "/if0+/if0+/for0": Code(loads=(32, *(4,) * 2), vectors=2, straight=10),
    "/if0+/if0+": Code(scalars=2, straight=2),
    "/if0+/if0-/if0+/for0/for0/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 8), products=4, vectors=4, scalars=3),
    "/if0+/if0-/if0+/for0/for0": Code(stores=(64,) * 2, vectors=8, narrowings=4, straight=19),
    "/if0+/if0-/if0+/for0/for1/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 4), products=2, vectors=2, scalars=3),
    "/if0+/if0-/if0+/for0/for1": Code(stores=(64,), vectors=4, narrowings=2, straight=14),
    "/if0+/if0-/if0+/for0": Code(loads=(32, *(4,) * 2), vectors=2, straight=10),
    "/if0+/if0-/if0+": Code(scalars=1, straight=1),
    "/if0+/if0-/if0-/for0/for0/for0": Code(loads=(*(4,) * 2, 64, *(8,) * 8), products=2, vectors=6, scalars=3),
    "/if0+/if0-/if0-/for0/for0": Code(stores=(64,), vectors=4, narrowings=2, straight=14),
    "/if0+/if0-/if0-/for0": Code(loads=(32, *(4,) * 2), vectors=2, straight=10),
    "/if0-/for0/for0/if0+": Code(vectors=4, straight=5),
    "/if0-/for0/for0/if0-": Code(loads=(128,) * 4, straight=22),
    "/if0-/for0/for0/if1+/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 4), products=4, scalars=3),
    "/if0-/for0/for0/if1+": Code(vectors=4, straight=5),
    "/if0-/for0/for0/if1-/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 8), products=4, vectors=4, scalars=3),
    "/if0-/for0/for0/if1-": Code(vectors=4, straight=5),
    "/if0-/for0/for0/if2+": Code(stores=(64,) * 2, vectors=4, narrowings=4, straight=14),
    "/if0-/for0/for0/if2-": Code(stores=(128,) * 4, straight=16),
    "/if0-/for0/for1/if0+": Code(vectors=2, straight=3),
    "/if0-/for0/for1/if0-": Code(loads=(128,) * 2, straight=14),
    "/if0-/for0/for1/if1+/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 2), products=2, scalars=3),
    "/if0-/for0/for1/if1+": Code(vectors=2, straight=3),
    "/if0-/for0/for1/if1-/if0+/for0": Code(loads=(*(4,) * 2, 64, *(32,) * 4), products=2, vectors=2, scalars=3),
    "/if0-/for0/for1/if1-/if0+": Code(vectors=2, straight=3),
    "/if0-/for0/for1/if1-/if0-/for0": Code(loads=(*(4,) * 2, 64, *(8,) * 8), products=2, vectors=6, scalars=3),
    "/if0-/for0/for1/if1-/if0-": Code(vectors=2, straight=3),
    "/if0-/for0/for1/if2+": Code(stores=(64,), vectors=2, narrowings=2, straight=11),
    "/if0-/for0/for1/if2-": Code(stores=(128,) * 2, straight=8),
    "/if0-/for0": Code(loads=(32, *(4,) * 2), vectors=2, straight=10),
    "/if0-": Code(scalars=6, straight=7),
    "": Code(loads=(4,) * 8, vectors=2, scalars=17, straight=24),
}
ADD = {
    "/if0+/for0": Code(loads=(32,) * 4, stores=(64,), products=4, vectors=2, narrowings=2),
    "/if0+": Code(vectors=4, scalars=2, straight=6),
    "/if0-/for0": Code(loads=(32,) * 2, stores=(32,), products=2, vectors=8, narrowings=1),
    "/if0-": Code(vectors=4, straight=5),
    "": Code(loads=(4,) * 9, vectors=2, scalars=11, straight=16),
}

REQUANTISE = {
    "/if0+/for0": Code(loads=(32,) * 2, stores=(64,), products=2, vectors=2, narrowings=2),
    "/if0+": Code(vectors=2, scalars=1, straight=5),
    "/if0-/for0": Code(loads=(32,), stores=(32,), products=1, vectors=4, narrowings=1),
    "/if0-": Code(vectors=2, straight=3),
    "": Code(loads=(4,) * 7, vectors=2, scalars=8, straight=14),
}

MAX_POOL = {
    "/for0/for0/for0/if0+/for0": Code(loads=(8,) * 4, vectors=4, scalars=8),
    "/for0/for0/for0/if0+": Code(scalars=1, straight=1),
    "/for0/for0/for0": Code(loads=(4,), scalars=1, straight=8),
    "/for0/for0": Code(stores=(32,), vectors=2, straight=5),
    "": Code(loads=(4,) * 9, vectors=2, scalars=6, straight=16),
}

AVG_POOL = {
    "/for0/for0/for0/if0+/for0": Code(loads=(8,) * 4, products=1, vectors=7, scalars=12),
    "/for0/for0/for0/if0+": Code(vectors=1, scalars=1, straight=2),
    "/for0/for0/for0/if0-": Code(vectors=1, straight=2),
    "/for0/for0/for0": Code(loads=(4,), scalars=1, straight=8),
    "/for0/for0/for1": Code(vectors=18),
    "/for0/for0": Code(stores=(32,), vectors=51, narrowings=1, scalars=24, straight=74),
    "": Code(loads=(4,) * 18, vectors=6, scalars=15, straight=25),
}

PIECES: dict[Kernel, dict[str, Code]] = {
    Kernel.CONV: CONV,
    Kernel.ADD: ADD,
    Kernel.REQUANTISE: REQUANTISE,
    Kernel.MAX_POOL: MAX_POOL,
    Kernel.AVG_POOL: AVG_POOL,
}
"""
Every piece of code of every kernel, as counted in its body, by its way from the function: `if1-` is the other side of
the second choice.
"""


_WHOLE_WAYS = {NEIGHBOURS: ("/if0+/if0+", 2), EVERY_SECOND: ("/if0+/if0-/if0+", 3)}
_SINGLE_WAY = ("/if0+/if0-/if0-", 3)
_PARTIAL_WAY = ("/if0-", 1)
"""Where a call goes, and after how many choices: by the distance of its pixels, or with partial sums."""


def conv_cycles(
    chip: Chip, *, width: int, pixel_stride: int, taps: int, blocks: int, first: bool, last: bool, entries: int
) -> int:
    """Output blocks x steps of pixels, and in each step the output block's list of non-zero blocks."""
    whole = first and last
    way, choices = _WHOLE_WAYS.get(pixel_stride, _SINGLE_WAY) if whole else _PARTIAL_WAY
    sizes = step_sizes(pixel_stride, whole)
    # single pixels are loaded by the second loop of a row with partial sums
    skipped = 0 if whole else len(SHORT_STEPS) - len(sizes)
    row, entry = skipped * chip.branch_cycles, 0
    for number, steps in enumerate(row_steps(width, sizes), skipped):
        loop = f"{way}/for0/for{number}"
        if whole:
            step, inner = CONV[loop].alone(chip), f"{loop}/for0"
        else:
            step, inner = _partial_step(chip, loop, pixel_stride, first, last, number == len(SHORT_STEPS) - 1)
        row += chip.branch_cycles + looped(chip, steps, step + chip.loop_cycles)
        entry += steps * CONV[inner].pipelined(chip)
    start = CONV[""].alone(chip) + taps * CONV["/for0"].pipelined(chip) + chip.loop_cycles
    start += CONV.get(way, Code()).alone(chip) + choices * chip.branch_cycles
    # the lists of all output blocks together, since only their lengths differ
    return start + looped(chip, blocks, CONV[f"{way}/for0"].alone(chip) + row) + entries * entry


def _partial_step(chip: Chip, loop: str, pixel_stride: int, first: bool, last: bool, narrow: bool) -> tuple[int, str]:
    """Cycles around the entries of a step with partial sums, and the piece that its entries run."""
    begin, end = f"{loop}/if0{'+' if first else '-'}", f"{loop}/if2{'+' if last else '-'}"
    way, choices = f"{loop}/if1{'+' if pixel_stride == NEIGHBOURS else '-'}", 3
    if narrow and pixel_stride != NEIGHBOURS:
        way, choices = f"{way}/if0{'+' if pixel_stride == EVERY_SECOND else '-'}", 4
    around = sum(CONV[piece].alone(chip) for piece in (begin, way, end))
    return around + choices * chip.branch_cycles, f"{way}/for0"


def _conv(chip: Chip, params: Words, call: Call, work: Work) -> int:
    return conv_cycles(
        chip,
        width=int(params[P.WIDTH]),
        pixel_stride=int(params[P.PIXEL_STRIDE]),
        taps=int(params[P.TAPS]),
        blocks=call.blocks,
        first=bool(call.first),
        last=bool(call.last),
        entries=work.entries,
    )


def _elementwise(chip: Chip, call: Call, params: Words, shifts: tuple[Parameter, ...], pieces: dict[str, Code]) -> int:
    """One run of words."""
    size = call.blocks * int(params[P.BLOCK_STRIDE]) * 4
    products = all(int(params[shift]) <= LARGEST_WEIGHT_SHIFT for shift in shifts)
    way, step = ("/if0+", PRODUCT_BYTES) if products else ("/if0-", LANE_BYTES)
    start = pieces[""].alone(chip) + pieces[way].alone(chip) + chip.branch_cycles
    return start + -(-size // step) * pieces[f"{way}/for0"].pipelined(chip) + chip.loop_cycles


def _pool(chip: Chip, params: Words, call: Call, work: Work, pieces: dict[str, Code], divide: int) -> int:
    """Output blocks x groups of pixels x taps x columns of the window; `divide` cycles per group for an average."""
    groups, taps = -(-int(params[P.WIDTH]) // GROUP), int(params[P.TAPS])
    window = int(params[P.KERNEL_WIDTH]) * pieces["/for0/for0/for0/if0+/for0"].pipelined(chip) + chip.loop_cycles
    row = pieces["/for0/for0/for0/if0+"].alone(chip) + window
    tap = pieces["/for0/for0/for0"].alone(chip) + chip.branch_cycles
    group = pieces["/for0/for0"].alone(chip) + divide + looped(chip, taps, tap) + work.rows * row
    return pieces[""].alone(chip) + looped(chip, call.blocks, looped(chip, groups, group))


def kernel_cycles(chip: Chip, kernel: Kernel, params: Words, call: Call, work: Work) -> int:
    """Cycles of one kernel call, from the caller's branch to its next instruction."""
    match kernel:
        case Kernel.CONV:
            cycles = _conv(chip, params, call, work)
        case Kernel.ADD:
            cycles = _elementwise(chip, call, params, (P.SHIFT_A, P.SHIFT_B), ADD)
        case Kernel.REQUANTISE:
            cycles = _elementwise(chip, call, params, (P.SHIFT_A,), REQUANTISE)
        case Kernel.MAX_POOL:
            cycles = _pool(chip, params, call, work, MAX_POOL, 0)
        case Kernel.AVG_POOL:
            divide = QUOTIENT_BITS * AVG_POOL["/for0/for0/for1"].pipelined(chip) + chip.loop_cycles
            cycles = _pool(chip, params, call, work, AVG_POOL, divide)
    return chip.kernel_call_cycles + cycles
