"""
What the weight streams of a launch bring: words, chunks and pages, by core row and column.

A WIDE launch's weights are broadcast along rows of cores, chunk after chunk. A DEEP launch's come for each core by
itself, page after page, in turn for several cores of a column.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from compiler.hardware.chip import Chip
from compiler.hardware.routes import MEMTILE_ROW, channels, listeners
from compiler.protocol.image import linear
from compiler.protocol.tasks import Descriptor, Place, Task, place_name, ring_lock
from compiler.transfers.window import Window
from dialects import mem
from dialects.aie import DMAChannelDir
from dialects.bsr import array_of

S2MM, MM2S = DMAChannelDir.S2MM, DMAChannelDir.MM2S


def weights_of(op: mem.LaunchOp) -> mem.WeightsOp:
    """The weights of a launch that has some."""
    assert op.weights is not None, "this launch has weights"
    weights = op.weights.owner
    assert isinstance(weights, mem.WeightsOp), "weights come from mem.weights"
    return weights


def stream_of(op: mem.LaunchOp, chip: Chip, row: int) -> tuple[int, int, int]:
    """First word, chunks and chunk size of the weight stream that is broadcast to core row `row`."""
    if op.weights is None or op.rings:
        return 0, 0, 0
    weights = weights_of(op)
    first, count = weights.streams[chip.domain(row) % len(weights.streams)]
    return first, count, weights.chunk_words


def words_heard(op: mem.LaunchOp, chip: Chip, row: int) -> npt.NDArray[np.int32]:
    """All chunks of a launch that core row `row` hears."""
    first, count, size = stream_of(op, chip, row)
    if not count:
        return np.zeros(0, np.int32)
    return array_of(weights_of(op).values).reshape(-1)[first : first + count * size]


def own_words(op: mem.LaunchOp, column: int, rows: Iterable[int]) -> npt.NDArray[np.int32]:
    """
    All weights of a DEEP launch for the cores of a column in some `rows`, a page for each of them in turn.

    The order in which one shim channel brings them, int32[pages of a core * rows * words of a page].
    """
    weights, ring = weights_of(op), op.ring_op
    values = array_of(weights.values).reshape(-1)
    heard = {core.row: weights.streams[core.stream] for core in op.cores if core.column == column}
    each = [values[first : first + count * weights.chunk_words] for first, count in (heard[row] for row in rows)]
    return np.stack([words.reshape(-1, ring.page_words) for words in each], axis=1).reshape(-1)


def ring_window(op: mem.LaunchOp, row: int) -> Window:
    """The ring of a DEEP launch's weights for the core in `row`, a page per run."""
    ring = op.ring_op
    start = ring.address // 4 + row * ring.pages * ring.page_words
    return linear(start, ring.page_words, ring.pages, ring.page_words)


def chunk_size(op: mem.LaunchOp) -> int:
    """Words of every chunk of a launch's weights."""
    return weights_of(op).chunk_words


def own_pages(op: mem.LaunchOp) -> int:
    """Pages of weights that every core receives in a DEEP launch."""
    weights = weights_of(op)
    return weights.streams[0][1] * weights.chunk_words // op.ring_op.page_words


def weights_come_early(op: mem.LaunchOp) -> bool:
    """
    Whether weights for odd rows may come while the launch before a DEEP one runs: its rings are free, and no map has to
    pass on the same channel, which would wait behind what the cores have no use for yet.
    """
    segment = op.parent_block()
    assert segment is not None, "a launch lies in a segment"
    before = [other for other in segment.ops if other.is_before_in_block(op)]
    fills = any(isinstance(other, mem.CopyOp) and other.fills for other in before)
    return op.ring_op.ahead and not fills and not any(isinstance(other, mem.LaunchOp) for other in before)


def arriving_pages(op: mem.LaunchOp, tile: Place, channel: int, rows: Iterable[int]) -> Task:
    """Pages of weights for cores of a column in some `rows`, in turn, from the shim into their rings."""
    chain = tuple(
        Descriptor(
            place_name("memtile", tile),
            ring_window(op, row),
            (place_name(ring_lock(row, "empty"), tile), 1),
            (place_name(ring_lock(row, "full"), tile), 1),
        )
        for row in rows
    )
    return Task(tile, S2MM, channel, chain, own_pages(op))


def streamed_words(op: mem.LaunchOp, chip: Chip) -> int:
    """Words of a launch's weights in the streams of all columns; a DEEP launch brings others with its activations."""
    if op.rings:
        own = own_pages(op) * op.ring_op.page_words
        return chip.columns * len(range(0, chip.core_rows, 2)) * own
    heard = [listeners(chip, column)[0][1] for column in range(chip.columns)]
    return sum(chunks * size for _, chunks, size in (stream_of(op, chip, row) for row in heard))


def feeds_weights(task: Task, chip: Chip) -> bool:
    """Whether a task of a MemTile brings weights for all launches, or broadcasts them."""
    shared = channels(chip)
    feeding = ((S2MM, shared.load), (MM2S, shared.broadcast))
    return task.place[1] == MEMTILE_ROW and (task.direction, task.channel) in feeding
