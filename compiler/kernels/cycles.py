"""
How long a kernel call takes, from the structure of its body.

A core issues one instruction word per cycle, with two loads, one store, one vector and one scalar operation. Code is
modelled in two ways. An innermost loop is software-pipelined: an iteration takes as many cycles as its busiest slot,
and the loop takes `loop_cycles` more to fill and drain. Code around such loops overlaps nothing: its operations issue
one after the other, and what it loads arrives `load_latency_cycles` later. No share of the peak is assumed anywhere:
utilisation is what comes out.

The counts below are those of the MLIR bodies, and a test counts them again. Counted are memory accesses by bytes,
vector operations by 512-bit halves, and scalar operations except what the load and store units do by themselves:
address arithmetic that only follows the loop's own index, and adding a value from before the loop to an address.
Bank conflicts are not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.row_steps import EVERY_SECOND, GROUP, NEIGHBOURS, row_steps
from compiler.kernels.semantics import Call, Words

P = Parameter

STEP_BYTES = 32
"""Bytes of each operand that one step of the elementwise kernels reads."""
QUOTIENT_BITS = 9
"""Steps of the average's division."""


@dataclass(frozen=True)
class Code:
    """What a straight piece of code issues: bytes of each load and of each store, vector and scalar operations."""

    loads: tuple[int, ...] = ()
    stores: tuple[int, ...] = ()
    vector: int = 0
    scalar: int = 0

    def _slots(self, chip: Chip) -> tuple[int, int]:
        """Load and store operations: a wide access takes several."""
        width = chip.load_bytes_per_cycle // 2
        loads = sum(-(-size // width) for size in self.loads)
        return loads, sum(-(-size // chip.store_bytes_per_cycle) for size in self.stores)

    def pipelined(self, chip: Chip) -> int:
        """Cycles between two iterations of an innermost loop with this body."""
        loads, stores = self._slots(chip)
        return max(-(-loads // 2), stores, self.vector, self.scalar, 1)

    def alone(self, chip: Chip) -> int:
        """Cycles outside an innermost loop."""
        loads, stores = self._slots(chip)
        return -(-loads // 2) + stores + self.vector + self.scalar + (chip.load_latency_cycles if loads else 0)


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


_WORD = (4,)

_WIDE_SUMS = (128,) * 4
_NARROW_SUMS = (128,) * 2

CONV = {
    "": Code(_WORD * 8, (), 8, 28),
    "/for0": Code(_WORD, (), 0, 4),
    "/for1": Code((32, 4, 4), (), 4, 0),
    "/for1/for0/if0-": Code(_WIDE_SUMS, (), 8),
    "/for1/for0/if1+/for0": Code((4, 4, 64, *(32,) * 4), (), 4, 3),
    "/for1/for0/if1-/for0": Code((4, 4, 64, *(32,) * 8), (), 8, 3),
    "/for1/for0/if2+": Code((), (32,) * 4, 36),
    "/for1/for0/if2-": Code((), _WIDE_SUMS),
    "/for1/for1/if0-": Code(_NARROW_SUMS, (), 4),
    "/for1/for1/if1+/for0": Code((4, 4, 64, *(32,) * 2), (), 2, 3),
    "/for1/for1/if1-/if0+/for0": Code((4, 4, 64, *(32,) * 4), (), 4, 3),
    "/for1/for1/if1-/if0-/for0": Code((4, 4, 64, *(8,) * 8), (), 8, 3),
    "/for1/for1/if2+": Code((), (32,) * 2, 18),
    "/for1/for1/if2-": Code((), _NARROW_SUMS),
}
"""The pieces of the body, named by their way from the function: `if1-` is the other side of the second choice."""

ADD = {"": Code(_WORD * 9, (), 12, 10), "/for0": Code((32, 32), (32,), 19)}

REQUANTISE = {"": Code(_WORD * 7, (), 10, 9), "/for0": Code((32,), (32,), 14)}

MAX_POOL = {
    "": Code(_WORD * 9, (), 2, 6),
    "/for0/for0": Code((), (32,), 2),
    "/for0/for0/for0": Code(_WORD, (), 0, 1),
    "/for0/for0/for0/if0+": Code((), (), 0, 1),
    "/for0/for0/for0/if0+/for0": Code((8, 8, 8, 8), (), 4, 8),
}

AVG_POOL = {
    "": Code(_WORD * 18, (), 6, 15),
    "/for0/for0": Code((), (32,), 55, 24),
    "/for0/for0/for0": Code(_WORD, (), 0, 1),
    "/for0/for0/for0/if0+": Code((), (), 0, 1),
    "/for0/for0/for0/if0+/for0": Code((8, 8, 8, 8), (), 8, 12),
    "/for0/for0/for1": Code((), (), 18),
}

PIECES: dict[Kernel, dict[str, Code]] = {
    Kernel.CONV: CONV,
    Kernel.ADD: ADD,
    Kernel.REQUANTISE: REQUANTISE,
    Kernel.MAX_POOL: MAX_POOL,
    Kernel.AVG_POOL: AVG_POOL,
}
"""Every piece of code of every kernel, as counted in its body."""


def conv_cycles(
    chip: Chip, *, width: int, pixel_stride: int, taps: int, blocks: int, first: bool, last: bool, entries: int
) -> int:
    """Output blocks x steps of pixels, and in each step the output block's list of non-zero blocks."""
    # which side of the choice between neighbours, every second pixel and single pixels, and after how many branches
    wide, narrow = ("+", 1), ("+", 1)
    if pixel_stride != NEIGHBOURS:
        wide, narrow = ("-", 1), ("-/if0+" if pixel_stride == EVERY_SECOND else "-/if0-", 2)
    row = entry = 0
    for steps, loop, (side, branches) in zip(
        row_steps(width, pixel_stride), ("/for1/for0", "/for1/for1"), (wide, narrow), strict=True
    ):
        resume = CONV[f"{loop}/if0-"].alone(chip) if not first else 0
        end = CONV[f"{loop}/if2{'+' if last else '-'}"].alone(chip)
        step = resume + end + (branches + 2) * chip.branch_cycles + chip.loop_cycles
        row += looped(chip, steps, step)
        entry += steps * CONV[f"{loop}/if1{side}/for0"].pipelined(chip)
    start = CONV[""].alone(chip) + taps * CONV["/for0"].pipelined(chip) + chip.loop_cycles
    # the lists of all output blocks together, since only their lengths differ
    return start + looped(chip, blocks, CONV["/for1"].alone(chip) + row) + entries * entry


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


def _elementwise(chip: Chip, params: Words, call: Call, pieces: dict[str, Code]) -> int:
    """One run of words, 32 bytes per step."""
    steps = -(-call.blocks * int(params[P.BLOCK_STRIDE]) * 4 // STEP_BYTES)
    return pieces[""].alone(chip) + steps * pieces["/for0"].pipelined(chip) + chip.loop_cycles


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
            cycles = _elementwise(chip, params, call, ADD)
        case Kernel.REQUANTISE:
            cycles = _elementwise(chip, params, call, REQUANTISE)
        case Kernel.MAX_POOL:
            cycles = _pool(chip, params, call, work, MAX_POOL, 0)
        case Kernel.AVG_POOL:
            divide = QUOTIENT_BITS * AVG_POOL["/for0/for0/for1"].pipelined(chip) + chip.loop_cycles
            cycles = _pool(chip, params, call, work, AVG_POOL, divide)
    return chip.kernel_call_cycles + cycles
