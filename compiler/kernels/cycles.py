"""
How long a kernel call takes, from the structure of its body.

A core issues one instruction word per cycle, with two loads, one store, one vector and one scalar operation. Code is
modelled in two ways. An innermost loop is software-pipelined: an iteration takes as many cycles as its busiest slot,
and the loop takes `loop_cycles` more to fill and drain. Code around such loops overlaps nothing: its operations issue
one after the other, and what it loads arrives `load_latency_cycles` later. No share of the peak is assumed anywhere:
utilisation is what comes out.

The counts below are those of the MLIR bodies, and a test counts them again. Counted are memory accesses by bytes,
vector operations by 512-bit halves, and scalar operations except address arithmetic that only follows the loop's own
index, which the load and store units do by themselves. Bank conflicts are not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.semantics import Call, Words

P = Parameter

GROUP = 4
"""Output pixels that one step of the conv and pool kernels computes."""
STEP_BYTES = 32
"""Bytes of each operand that one step of the elementwise kernels reads."""
QUOTIENT_BITS = 9
"""Steps of the average's division."""
ADJACENT_WORDS = 2
"""Pixel stride at which four input pixels are one load."""


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

CONV = {
    "": Code(_WORD * 8, (), 8, 20),
    "/for0": Code((32,), (), 2, 0),
    "/for0/for0/if0-": Code((128,)),
    "/for0/for0/for0": Code(_WORD, (), 0, 1),
    "/for0/for0/for0/if0+": Code(_WORD * 2, (), 0, 1),
    "/for0/for0/for0/if0+/if0+/for0": Code((4, 32, 64), (), 1, 1),
    "/for0/for0/for0/if0+/if0-/for0": Code((4, 8, 8, 8, 8, 64), (), 4, 4),
    "/for0/for0/if1+": Code((), (32,), 15, 0),
    "/for0/for0/if1-": Code((), (128,)),
}
"""The pieces of the body, named by their way from the function: `if1-` is the other side of the second choice."""

ADD = {"": Code(_WORD * 9, (), 12, 9), "/for0": Code((32, 32), (32,), 21)}

REQUANTISE = {"": Code(_WORD * 7, (), 10, 8), "/for0": Code((32,), (32,), 16)}

MAX_POOL = {
    "": Code(_WORD * 9, (), 2, 3),
    "/for0/for0": Code((), (32,), 2),
    "/for0/for0/for0": Code(_WORD, (), 0, 1),
    "/for0/for0/for0/if0+": Code((), (), 0, 1),
    "/for0/for0/for0/if0+/for0": Code((8, 8, 8, 8), (), 4, 16),
}

AVG_POOL = {
    "": Code(_WORD * 18, (), 6, 9),
    "/for0/for0": Code((), (32,), 55, 20),
    "/for0/for0/for0": Code(_WORD, (), 0, 1),
    "/for0/for0/for0/if0+": Code((), (), 0, 1),
    "/for0/for0/for0/if0+/for0": Code((8, 8, 8, 8), (), 8, 20),
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


def _conv(chip: Chip, params: Words, call: Call, work: Work) -> int:
    """Output blocks x groups of pixels x taps, and in a tap that is on the map its list of non-zero blocks."""
    groups, taps = -(-int(params[P.WIDTH]) // GROUP), int(params[P.TAPS])
    adjacent = int(params[P.PIXEL_STRIDE]) == ADJACENT_WORDS
    # per output block and group: choose the start, every tap, choose the end
    resume = CONV["/for0/for0/if0-"].alone(chip) if not call.first else 0
    end = CONV["/for0/for0/if1+" if call.last else "/for0/for0/if1-"].alone(chip)
    tap = CONV["/for0/for0/for0"].alone(chip) + chip.branch_cycles
    group = resume + end + 2 * chip.branch_cycles + looped(chip, taps, tap)
    # the lists: all blocks together, since only their lengths differ
    inner = CONV[f"/for0/for0/for0/if0+/if0{'+' if adjacent else '-'}/for0"].pipelined(chip)
    listed = CONV["/for0/for0/for0/if0+"].alone(chip) + chip.branch_cycles + chip.loop_cycles
    lists = call.blocks * work.rows * listed + work.entries * inner
    block = CONV["/for0"].alone(chip) + looped(chip, groups, group)
    return CONV[""].alone(chip) + looped(chip, call.blocks, block) + groups * lists


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
