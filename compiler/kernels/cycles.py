"""
How long a kernel call takes, from the structure of its body.

A core issues one instruction word per cycle, with two loads, a store, a matrix product, a lane-wise vector operation
and a scalar operation. Code is modelled in two ways. An innermost loop is software-pipelined: an iteration takes as
many cycles as its busiest slot, and the loop takes `loop_cycles` more to fill and drain. A piece of code around such
loops takes as long as its list schedule, which waits for operands and slots; nothing overlaps from one piece to the
next. A branch to a side of a choice, or back for the next round of a loop, belongs to the piece that ends with it: the
five instruction words behind it are executed in any case, and it is assumed that what is left to issue goes there, as
in published listings of core code. Whether a loop that is not innermost has a round costs `branch_cycles`. No share of
the peak is assumed anywhere: utilisation is what comes out.
What the pieces issue, and how that was counted, is in `pieces`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import LARGEST_WEIGHT_SHIFT, Kernel, Parameter
from compiler.kernels.pieces import (
    ADD,
    AVG_POOL,
    LOOKUP,
    MATMUL,
    MAX_POOL,
    PIECES,
    REQUANTISE,
    SCALED_CONV,
    SCALED_MATMUL,
    Code,
)
from compiler.kernels.pool_steps import BLOCKS_TOGETHER, LARGEST_FAST_STRIDE, average_steps, pool_steps
from compiler.kernels.rescaling import EDGE_WORDS, HEAD_WORDS
from compiler.kernels.row_steps import GROUP, STEPS, row_steps, steps_of
from compiler.kernels.semantics import Call, Words

P = Parameter

PRODUCT_BYTES, LANE_BYTES = 64, 32
"""Bytes of each operand that one step of the elementwise kernels reads, by matrix products and lane by lane."""
QUOTIENT_BITS, RECIPROCAL_BITS = 9, 16
"""Digits of the average's division, and of the reciprocal of a divisor."""


@dataclass(frozen=True)
class Work:
    """What a call finds in memory that its length depends on."""

    rows: int
    """Vertical taps that lie on the map."""
    entries: int = 0
    """Non-zero blocks in the chunk's lists of those taps, over all output blocks and rows (convolution)."""


def conv_cycles(
    chip: Chip,
    *,
    width: int,
    taps: int,
    blocks: int,
    first: bool,
    last: bool,
    entries: int,
    rows: int = 1,
    skip: bool = False,
    dilated: bool = False,
    kernel: Kernel = Kernel.CONV,
) -> int:
    """
    Rows x steps of pixels x output blocks, and in each the output block's list of non-zero blocks.

    With a `skip`, the last input chunk's call adds rows to the rows that were made. Taps that do not follow each other,
    those of a `dilated` kernel, are looked at to know which are on the map; their rows come one by one.
    """
    pieces, way = PIECES[kernel], "/if1+" if first and last else "/if1-"
    total, entry = pieces[""].alone(chip) + pieces[way].alone(chip) + chip.branch_cycles, 0
    if dilated:
        total += taps * pieces["/if0-/for0"].pipelined(chip) + chip.loop_cycles
    else:
        total += pieces["/if0+"].alone(chip)
    row = pieces[f"{way}/for0"].alone(chip)
    for number, steps in enumerate(row_steps(width, steps_of(kernel))):
        step = f"{way}/for0/for{number}"
        start = pieces[step].alone(chip)
        block = pieces[f"{step}/for0"].alone(chip) + chip.loop_cycles
        if not (first and last):
            start += pieces[f"{step}/if0{'+' if first else '-'}"].alone(chip)
            ways = ["if0+"] if last else ["if0-", f"if0-/if0{'+' if first else '-'}"]
            block += sum(pieces[f"{step}/for0/{way}"].alone(chip) for way in ways)
        row += chip.branch_cycles + steps * (start + blocks * block)
        # the lists of all output blocks together, since only their lengths differ
        entry += steps * pieces[f"{step}/for0/for0"].pipelined(chip)
    if skip and last:
        total += pieces["/if2+"].alone(chip) + chip.branch_cycles
        row += pieces["/if2+/for0"].alone(chip) + chip.loop_cycles
        row += -(-blocks * width * 8 // PRODUCT_BYTES) * pieces["/if2+/for0/for0"].pipelined(chip)
    return total + rows * row + entries * entry


def _conv(chip: Chip, params: Words, call: Call, work: Work, kernel: Kernel = Kernel.CONV) -> int:
    """One without a multiplier."""
    return conv_cycles(
        chip,
        width=int(params[P.WIDTH]),
        taps=int(params[P.TAPS]),
        blocks=call.blocks,
        first=bool(call.first),
        last=bool(call.last),
        entries=work.entries,
        rows=call.rows,
        skip=bool(params[P.SKIP]),
        dilated=int(params[P.ROW_STEP]) != 1,
        kernel=kernel,
    )


def _scaled_conv(chip: Chip, params: Words, call: Call, work: Work) -> int:
    """A convolution with partial sums, between the sides of its rows and one pass over all that it has summed."""
    taps, pieces = int(params[P.TAPS]), SCALED_CONV
    columns = int(params[P.EDGE_LEFT]) + int(params[P.EDGE_RIGHT])
    total = pieces[""].alone(chip) + chip.loop_cycles
    if columns:
        column = int(params[P.EDGE_BLOCKS]) * pieces["/for0/for0/for0"].pipelined(chip) + chip.loop_cycles
        filled = columns * (pieces["/for0/for0"].alone(chip) + column)
        total += taps * pieces["/for0"].alone(chip) + work.rows * filled
    total += chip.kernel_call_cycles + _conv(chip, params, replace(call, last=0), work)
    if not call.last:
        return total
    edges = (int(params[P.RESCALING_WORDS]) - HEAD_WORDS) // EDGE_WORDS
    steps = row_steps(int(params[P.WIDTH]))
    groups = sum(size // GROUP * count for size, count in zip(STEPS, steps, strict=True))
    block = pieces["/if0+/for0/for0"].alone(chip) + chip.loop_cycles
    block += edges * (pieces["/if0+/for0/for0/for0"].alone(chip) + chip.loop_cycles)
    step = pieces["/if0+/for0"].alone(chip) + call.blocks * block
    group = pieces["/if0+/for0/for0/for1"].pipelined(chip)
    group += pieces["/if0+/for0/for0/for0/for0"].pipelined(chip) * (edges and edges - work.rows)
    return total + pieces["/if0+"].alone(chip) + sum(steps) * step + call.blocks * groups * group


def _matmul(chip: Chip, params: Words, call: Call, pieces: dict[str, Code], *, last: bool = True) -> int:
    """The blocks that come transposed, the head of a chunk, and the convolution that reads it, up to int8 or not."""
    depth, width = int(params[P.DEPTH]), int(params[P.WIDTH])
    entries = call.blocks * depth
    total = pieces[""].alone(chip) + 3 * chip.loop_cycles
    total += entries * pieces["/for0"].pipelined(chip) * int(params[P.TRANSPOSED])
    total += (call.blocks + 1) * pieces["/for1"].pipelined(chip)
    # a loop over offsets; with zero-points another one, over what the bias sums
    loops = [code.pipelined(chip) for way, code in pieces.items() if way.startswith("/for2/")]
    block = pieces["/for2"].alone(chip) + depth * sum(loops) + len(loops) * chip.loop_cycles
    total += call.blocks * block
    made = conv_cycles(chip, width=width, taps=1, blocks=call.blocks, first=True, last=last, entries=entries)
    return total + chip.kernel_call_cycles + made


def _scaled_matmul(chip: Chip, params: Words, call: Call) -> int:
    """The same, and what makes int8 of four pixels after the other: their zero-points, then output block by block."""
    pieces, steps = SCALED_MATMUL, row_steps(int(params[P.WIDTH]))
    groups = sum(size // GROUP * count for size, count in zip(STEPS, steps, strict=True))
    group = pieces["/for3/for0"].alone(chip) + 2 * chip.loop_cycles
    group += (int(params[P.DEPTH]) - 1) * pieces["/for3/for0/for0"].pipelined(chip)
    group += call.blocks * pieces["/for3/for0/for1"].pipelined(chip)
    made = _matmul(chip, params, call, pieces, last=False)
    return made + sum(steps) * pieces["/for3"].alone(chip) + groups * group


def _run_of_words(
    chip: Chip, params: Words, call: Call, pieces: dict[str, Code], step_bytes: int = PRODUCT_BYTES
) -> int:
    """One loop over the words of the rows."""
    steps = -(-call.blocks * int(params[P.BLOCK_STRIDE]) * 4 // step_bytes)
    return pieces[""].alone(chip) + steps * pieces["/for0"].pipelined(chip) + chip.loop_cycles


def _elementwise(chip: Chip, call: Call, params: Words, shifts: tuple[Parameter, ...], pieces: dict[str, Code]) -> int:
    """The same, by products or lane by lane."""
    size = call.blocks * int(params[P.BLOCK_STRIDE]) * 4
    products = all(int(params[shift]) <= LARGEST_WEIGHT_SHIFT for shift in shifts)
    way, step = ("/if0+", PRODUCT_BYTES) if products else ("/if0-", LANE_BYTES)
    start = pieces[""].alone(chip) + pieces[way].alone(chip)
    return start + -(-size // step) * pieces[f"{way}/for0"].pipelined(chip) + chip.loop_cycles


def _pool_start(chip: Chip, pieces: dict[str, Code], params: Words) -> int:
    return pieces[""].alone(chip) + int(params[P.TAPS]) * pieces["/for0"].pipelined(chip) + chip.loop_cycles


def _max_pool(chip: Chip, params: Words, call: Call, work: Work) -> int:
    """Output blocks x steps of pixels x windows: one loop for each fast stride, then the sides of a row."""
    steps, columns = pool_steps(params), int(params[P.KERNEL_WIDTH])
    # of the loops of the fast strides, one at most has anything to do
    on_map = f"/for1/for{min(int(params[P.COLUMN_STRIDE]), LARGEST_FAST_STRIDE) - 1}"
    cells = work.rows * columns * MAX_POOL[f"{on_map}/for0"].pipelined(chip) + chip.loop_cycles
    row = LARGEST_FAST_STRIDE * chip.branch_cycles + MAX_POOL["/for1"].alone(chip)
    row += steps.together * (MAX_POOL[on_map].alone(chip) + cells)
    side = f"/for1/for{LARGEST_FAST_STRIDE}"
    group = f"{side}/for0"
    cells = columns * MAX_POOL[f"{group}/for0/for0"].pipelined(chip) + chip.loop_cycles
    windows = work.rows * (MAX_POOL[f"{group}/for0"].alone(chip) + cells)
    row += 2 * MAX_POOL[side].alone(chip) + steps.bordering * (MAX_POOL[group].alone(chip) + windows)
    return _pool_start(chip, MAX_POOL, params) + call.blocks * row


def _average_cells(chip: Chip, way: str, cells: int) -> int:
    """A step of pixels and the loop over the cells of their windows."""
    return AVG_POOL[way].alone(chip) + cells * AVG_POOL[f"{way}/for0"].pipelined(chip) + chip.loop_cycles


def _avg_pool(chip: Chip, params: Words, call: Call, work: Work) -> int:
    """The pixels between the borders, block by block, and each of the others, steps of blocks."""
    steps = average_steps(params)
    pixel = AVG_POOL["/for1"].alone(chip)
    pixel += (RECIPROCAL_BITS - 1) * AVG_POOL["/for1/for0"].pipelined(chip) + chip.loop_cycles
    total = _pool_start(chip, AVG_POOL, params)
    if any(steps.neighbours):
        row, window = AVG_POOL["/for1/if0+/for0"].alone(chip), work.rows * int(params[P.KERNEL_WIDTH])
        for number, count in enumerate(steps.neighbours):
            step = _average_cells(chip, f"/for1/if0+/for0/for{number}", window)
            row += chip.branch_cycles + count * step
        total += pixel + call.blocks * row
    divide = AVG_POOL["/for1/if0-/for0/if0+"].alone(chip)
    if not steps.by_products:
        way = "/for1/if0-/for0/if0-"
        digits = QUOTIENT_BITS * AVG_POOL[f"{way}/for0/for0"].pipelined(chip) + chip.loop_cycles
        groups = BLOCKS_TOGETHER // GROUP * (AVG_POOL[f"{way}/for0"].alone(chip) + digits)
        divide = AVG_POOL[way].alone(chip) + groups
    for columns in steps.columns:
        step = divide + _average_cells(chip, "/for1/if0-/for0", work.rows * columns)
        around = pixel + AVG_POOL["/for1/if0-"].alone(chip)
        total += around + -(-call.blocks // BLOCKS_TOGETHER) * step
    return total


def kernel_cycles(chip: Chip, kernel: Kernel, params: Words, call: Call, work: Work) -> int:
    """Cycles of one kernel call, from the caller's branch to its next instruction."""
    match kernel:
        case Kernel.CONV | Kernel.CONV_20:
            cycles = _conv(chip, params, call, work, kernel)
        case Kernel.ADD | Kernel.SUBTRACT:
            cycles = _elementwise(chip, call, params, (P.SHIFT_A, P.SHIFT_B), ADD)
        case Kernel.REQUANTISE:
            cycles = _elementwise(chip, call, params, (P.SHIFT_A,), REQUANTISE)
        case Kernel.MAX_POOL:
            cycles = _max_pool(chip, params, call, work)
        case Kernel.AVG_POOL:
            cycles = _avg_pool(chip, params, call, work)
        case Kernel.SCALED_CONV:
            cycles = _scaled_conv(chip, params, call, work)
        case Kernel.MATMUL:
            cycles = _matmul(chip, params, call, MATMUL)
        case Kernel.SCALED_MATMUL:
            cycles = _scaled_matmul(chip, params, call)
        case Kernel.LOOKUP:
            cycles = _run_of_words(chip, params, call, LOOKUP, 4)
        case _:
            cycles = _run_of_words(chip, params, call, PIECES[kernel])
    return chip.kernel_call_cycles + cycles
