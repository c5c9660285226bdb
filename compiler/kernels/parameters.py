"""
The parameter block: the words that tell the persistent core program what one launch asks of it.

A launch is data. Every core runs the same program; what differs is this block of 64 words, which arrives by DMA
before the launch's data. All offsets are in 32-bit words of the core's arena, all rows are rows of the core's input
stream, and all counts are exact, so the program has no special cases.

The stream model shared by every kernel: input arrives as rows in a ring of slots. Output row y looks at the window of
`WINDOW` stream rows that starts at `ROW_ORIGIN + y * ROW_STRIDE`; rows before the first or past the last of the stream
are the map's border and are never sent. Of the window, every `ROW_STEP`-th row is a tap, `TAPS` in all. The program
writes the word offset of each tap's slot (or -1 for a border) into the row table behind the parameters, and calls the
kernel. A convolution's window is its dilated kernel; that of an addition and its kin is a pair of rows, one of each
operand.

One call of a convolution may compute several output rows, `ROWS_TOGETHER` of them or what is left. Its window begins
where the first row's does and ends where the last one's does, and every row of it is in the table: the taps of the next
output row are those `ROW_STRIDE` further on. `ROW_STEP` is 1 then.

A convolution whose kernel has one row may add a skip row to each row it makes, with the numbers of a convolution and
an addition after it. A stream row is then an input row with the skip row behind it, laid out like the output.

A matrix product's one stream row is its right operand, as 8x8 blocks for each output block of the core, with the row of
its left operand behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

PARAMETER_WORDS = 64
"""Words sent by DMA per core and launch."""

PARAMETER_SETS = 2
"""Sets of parameter blocks in every MemTile: those of a launch, and of the next one."""

TABLE_WORDS = 64
"""Row table behind the parameters: the largest number of vertical taps that the rows of a call may have."""

CORE_PARAMETER_WORDS = PARAMETER_WORDS + TABLE_WORDS
"""Size of the parameter buffer in core memory."""


LOOKUP_WORDS = 256
"""A table of values: for each byte, as it is without a sign, a word whose lowest byte takes its place."""

LARGEST_WEIGHT_SHIFT = 6
"""A left shift up to this one is a product: 2^6 is the largest power of two in int8."""

FACTOR_DIGIT_BITS = 16
"""A multiplier of the elementwise kernels is two digits of a 16-bit product."""


class Kernel(IntEnum):
    """Value of `Parameter.KERNEL`, and the order of the kernels in the core program."""

    CONV = 0
    ADD = 1
    REQUANTISE = 2
    MAX_POOL = 3
    AVG_POOL = 4
    SCALED_CONV = 5
    SCALED_ADD = 6
    SCALED_REQUANTISE = 7
    SUBTRACT = 8
    MULTIPLY = 9
    MAXIMUM = 10
    MINIMUM = 11
    SCALED_SUBTRACT = 12
    SCALED_MULTIPLY = 13
    LOOKUP = 14
    MATMUL = 15
    SCALED_MATMUL = 16
    CONV_20 = 17

    @property
    def symbol(self) -> str:
        """Name of the kernel function in the device, and of the kernel at the memory level."""
        return self.name.lower()

    @property
    def convolves(self) -> bool:
        """Whether it multiplies by weights, which arrive in chunks."""
        return self in (Kernel.CONV, Kernel.CONV_20, Kernel.SCALED_CONV)

    @property
    def plain_conv(self) -> bool:
        """Whether it is the convolution that shifts its sums to int8, in steps of any size."""
        return self in (Kernel.CONV, Kernel.CONV_20)

    @property
    def weighted(self) -> bool:
        """Whether chunks of weights arrive: those of a convolution, or one table of values."""
        return self.convolves or self is Kernel.LOOKUP

    @property
    def multiplies_maps(self) -> bool:
        """Whether it is a product of two matrices that are both computed."""
        return self in (Kernel.MATMUL, Kernel.SCALED_MATMUL)

    @property
    def pairs(self) -> bool:
        """Whether its input is pairs of rows."""
        return self in _OF_PAIRS


_OF_PAIRS = frozenset(
    (
        Kernel.ADD,
        Kernel.SCALED_ADD,
        Kernel.SUBTRACT,
        Kernel.SCALED_SUBTRACT,
        Kernel.MULTIPLY,
        Kernel.SCALED_MULTIPLY,
        Kernel.MAXIMUM,
        Kernel.MINIMUM,
    )
)


_CALLS_CONV = frozenset((Kernel.SCALED_CONV, Kernel.MATMUL, Kernel.SCALED_MATMUL))


def with_called(kernels: Iterable[Kernel]) -> tuple[Kernel, ...]:
    """`kernels` and those that they call, in order."""
    used = set(kernels)
    return tuple(sorted(used | {Kernel.CONV} if used & _CALLS_CONV else used))


class Rounding(IntEnum):
    """Value of `Parameter.ROUNDING`."""

    HALF_EVEN = 0
    HALF_UP = 1


class Parameter(IntEnum):
    """Word index of each parameter."""

    KERNEL = 0
    OUTPUT_CHUNKS = 1
    """Outermost loop: groups of output channel blocks, each with its own weights."""
    INPUT_CHUNKS = 2
    """Second loop: groups of input channel blocks; more than one means partial sums kept in int32."""
    ROWS = 3
    """Output rows of this core; 0 makes the core drain its weights and send one empty output slot."""
    STREAM_ROWS = 4
    """Input rows of one pass of the stream."""
    WINDOW = 5
    ROW_STRIDE = 6
    ROW_ORIGIN = 7
    ROW_STEP = 8
    TAPS = 9
    INPUT_BASE = 10
    INPUT_SLOT = 11
    INPUT_SLOTS = 12
    ROWS_TOGETHER = 13
    """Convolution: output rows of one call, the last one of a pass may have fewer; 0 is one like 1."""
    WEIGHT_SLOT = 14
    """Words of each slot of weights; the first one lies at the start of the arena."""
    WEIGHT_SLOTS = 15
    """0: the kernel has no weights and the program never waits for any."""
    OUTPUT_BASE = 16
    OUTPUT_SLOT = 17
    OUTPUT_SLOTS = 18
    PARTIAL_BASE = 19
    """Partial sums, [row][step][output block][pixel of the step][8 channels] int32."""
    WIDTH = 20
    """Output pixels per row."""
    BLOCKS = 21
    """Output channel blocks per chunk."""
    LAST_BLOCKS = 22
    """Output channel blocks of the last chunk."""
    STAYS = 23
    """
    1 if the input stays in the core: its rows come with the first output chunk, into a ring with a slot for each one
    of every input chunk, and are given back with the last.
    """
    BLOCK_STRIDE = 24
    """Words from one channel block of an input row to the next."""
    SHIFT = 25
    """
    Right shift of the accumulator (conv), of the sum, difference or product, or of the value (requantise). Of a scaled
    kernel, what is left of the shift when products have lost their lowest digits; at least 1.
    """
    ROUNDING = 26
    CLAMP_LOW = 27
    CLAMP_HIGH = 28
    SHIFT_A = 29
    """
    Left shift of the first operand of a sum, difference or product, and of the value in requantise. Of a convolution's
    own result before a skip row is added, and in a product: at most LARGEST_WEIGHT_SHIFT.
    """
    SHIFT_B = 30
    """Left shift of the second operand, and of a skip row: there and in a product at most LARGEST_WEIGHT_SHIFT."""
    KERNEL_WIDTH = 31
    """Pools: columns of the window."""
    COLUMN_STRIDE = 32
    """
    Input columns from one output pixel to the next. A convolution's rows arrive in as many parts, each with all
    channel blocks: of columns 0, COLUMN_STRIDE, …, of columns 1, COLUMN_STRIDE + 1, …, and so on.
    """
    COLUMN_ORIGIN = 33
    """Pools: first column of the first window, negative where the map is padded."""
    MAP_WIDTH = 34
    """Pools: columns of the map; a window is cut to [0, MAP_WIDTH)."""
    COUNT_LEFT = 35
    """
    Average: the divisor counts the window's cells inside [COUNT_LEFT, COUNT_RIGHT) x [COUNT_TOP, COUNT_BOTTOM), which
    are those of the map and perhaps some around it.
    """
    COUNT_RIGHT = 36
    COUNT_TOP = 37
    """Rows relative to this core's first stream row, like ROW_ORIGIN."""
    COUNT_BOTTOM = 38
    NUMERATOR_SHIFT = 39
    """Average: the sum is shifted left by this, the divisor by DENOMINATOR_SHIFT; one of them is 0."""
    DENOMINATOR_SHIFT = 40
    PARTIAL_ROW = 41
    """Words of partial sums per output row."""
    WEIGHT_FIRST = 42
    """Slot of the launch's first chunk: the ring goes on where the launch before left it."""
    SKIP = 43
    """
    Convolution: words from the start of a stream row to the skip row in it, 0 if there is none. SHIFT and clamps then
    make the row that it is added to.
    """
    SUM_SHIFT = 44
    """Convolution with a skip: right shift of the sum; it is rounded by ROUNDING, too."""
    SUM_CLAMP_LOW = 45
    SUM_CLAMP_HIGH = 46
    FACTOR_A = 47
    """
    Scaled sum, difference and requantisation: multiplier of the first operand, 31 bits. Scaled products, also of
    matrices: the lower two digits of their multiplier.
    """
    FACTOR_B = 48
    """Scaled sum and difference: multiplier of the second operand. Scaled products: the highest digit."""
    ZERO_A = 49
    """Scaled kernels: zero-point of the first operand; a scaled convolution sees it around the map."""
    ZERO_B = 50
    """Scaled kernels of two operands: zero-point of the second one."""
    ZERO = 51
    """Scaled kernels: zero-point of the result, added after rounding and before the clamp."""
    RESCALING_WORDS = 52
    """Scaled convolution: words for each output block, in its chunks, that say how sums become int8."""
    EDGE_LEFT = 53
    """Scaled convolution: columns at the left of each input row that arrive as 0 and mean ZERO_A, if that is not 0."""
    EDGE_RIGHT = 54
    """The same at the right."""
    EDGE_BLOCKS = 55
    """Scaled convolution: channel blocks of an input row."""
    EDGE_STRIDE = 56
    """Scaled convolution: words from one of them to the next, of the columns that a stride keeps together."""
    TIE_MASK = 57
    """Scaled products: the bits of a product, or of a sum of them, that are 0 where it may be a tie."""
    SKIPS_ALONE = 58
    """
    1 if a convolution with a skip keeps its input: whole stream rows come with the first output chunk; for each other
    one its skip rows come alone, behind the input rows that lie in their slots. The program does the same as ever.
    """
    DEPTH = 59
    """Matrix product: blocks of the channels that each sum runs over."""
    TRANSPOSED = 60
    """Matrix product: 1 if the blocks of the right operand come as [8 output channels][8 of a sum's channels]."""
    TERMS = 61
    """
    Scaled matrix product: the channels that each sum runs over. Those that fill up the last block are 0 in the right
    operand, and anything in the left one.
    """
    INPUT_ORIGIN = 62
    """
    Slot of the launch's first stream row, plus ROW_ORIGIN: rings go on where a launch before left them, so that their
    descriptors need not be written again.
    """
    OUTPUT_FIRST = 63
    """Slot of the launch's first output row."""


@dataclass(frozen=True)
class Narrowing:
    """The parameters by which sums become int8, beside ROUNDING."""

    shift: Parameter = Parameter.SHIFT
    low: Parameter = Parameter.CLAMP_LOW
    high: Parameter = Parameter.CLAMP_HIGH


OF_RESULT = Narrowing()
OF_SUM = Narrowing(Parameter.SUM_SHIFT, Parameter.SUM_CLAMP_LOW, Parameter.SUM_CLAMP_HIGH)


def pack(values: Mapping[Parameter, int]) -> npt.NDArray[np.int32]:
    """The block as int32[PARAMETER_WORDS]; parameters not given are 0."""
    block = np.zeros(PARAMETER_WORDS, np.int32)
    for parameter, value in values.items():
        block[parameter] = value
    return block
