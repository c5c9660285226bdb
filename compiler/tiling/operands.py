"""
How the operands of a matrix product come to a core: the blocks of the right one that it multiplies by, then the left
one.

Maps of one row lie as [block][pixel][8 bytes]. What a core sees of the right operand is [output block][8 × 8 blocks of
the sum's channels]:

    its pixels are those of a sum     each output block as it lies, its pixels made up to a multiple of 8 by zeros
    its pixels are output channels    of every 8 pixels, block by block; the last ones are made up by zeros
"""

from __future__ import annotations

from compiler.hardware.chip import Chip
from compiler.kernels.weight_chunk import BLOCK_WORDS, OFFSET_MASK
from compiler.tiling.launch import CoreWork, Launch
from compiler.tiling.layer import Layer, Product
from compiler.transfers.window import Window, window_faults

BLOCK_PIXELS = 8
"""Pixels of the right operand in a block."""


def head_of(launch: Launch, work: CoreWork) -> int:
    """The head that a core computes a share of."""
    product = _product(launch)
    return work.blocks[0] * product.heads // launch.layer.output.blocks


def matmul_windows(launch: Launch, work: CoreWork, places: tuple[int, int]) -> tuple[Window, ...]:
    """What a core reads of the left and the right operand, whose rows begin at these words of its MemTile."""
    product, depth, head = _product(launch), launch.input_chunk, head_of(launch, work)
    left, right = launch.whole.input, product.right
    plane = 2 * left.width
    start = places[0] + head * depth * plane + 2 * launch.tile.input
    row = Window(work.column, start, (depth, launch.fetch.columns, 2), (plane, 2, 1))
    if product.transposed:
        own = _blocks_of_pixels(launch, work, places[1] + head * depth * 2 * right.width)
    else:
        own = [_whole_blocks(right.width, work, places[1])]
    return (*own, row)


def _whole_blocks(pixels: int, work: CoreWork, place: int) -> Window:
    """Channel blocks with all their pixels, as [block][pixel][8 bytes]."""
    plane, missing = 2 * pixels, -pixels % BLOCK_PIXELS
    pads = ((0, 0), (0, missing), (0, 0)) if missing else ()
    return Window(work.column, place + work.blocks[0] * plane, (work.block_count, pixels, 2), (plane, 2, 1), pads)


def _blocks_of_pixels(launch: Launch, work: CoreWork, place: int) -> list[Window]:
    """Every 8 pixels, and what is left of them, of the channel blocks of one head."""
    product, depth = _product(launch), launch.input_chunk
    plane, per_head = 2 * product.right.width, launch.layer.output.blocks // product.heads
    low, high = (block - head_of(launch, work) * per_head for block in work.blocks)
    whole = min(high, product.right.width // BLOCK_PIXELS) - low
    windows: list[Window] = []
    if whole:
        sizes, strides = (whole, depth, BLOCK_WORDS), (BLOCK_WORDS, plane, 1)
        windows.append(Window(work.column, place + low * BLOCK_WORDS, sizes, strides))
    if low + whole < high:
        rest = product.right.width % BLOCK_PIXELS
        start, pads = place + (low + whole) * BLOCK_WORDS, ((0, 0), (0, BLOCK_PIXELS - rest), (0, 0))
        windows.append(Window(work.column, start, (depth, rest, 2), (plane, 2, 1), pads))
    return windows


def matmul_descriptors(launch: Launch, work: CoreWork) -> int:
    """Descriptors of the MemTile that a core's operands take."""
    return len(matmul_windows(launch, work, (0, 0)))


def matmul_faults(launch: Launch, work: CoreWork, chip: Chip) -> list[str]:
    """Why the operands of a matrix product cannot come to a core; empty if they can, or if it is no such product."""
    product = launch.layer.product
    if product is None:
        return []
    windows = matmul_windows(launch, work, (0, 0))
    faults = [fault for window in windows for fault in window_faults(window.merged(chip.memtile_wrap_limit), chip)]
    if launch.product_words(work) > OFFSET_MASK:
        faults.append(f"operands of {launch.product_words(work)} words, the kernel counts {OFFSET_MASK}")
    return faults


def ragged_channels(layer: Layer) -> str:
    """Which channels of a matrix product are no whole blocks, where they have to be; empty if all are well."""
    product = layer.product
    assert product is not None, f"'{layer.name}' is a matrix product"
    each = [shape.channels // product.heads for shape in (layer.input, layer.output)]
    if product.heads > 1 and any(count % 8 for count in each):
        return f"heads of {' and '.join(map(str, each))} channels, which are no whole blocks of 8"
    if product.transposed and each[0] % 8:
        return (
            f"sums over {each[0]} channels of both operands, which are no whole blocks of 8, and what lies behind them "
            "is not known to be 0"
        )
    return ""


def _product(launch: Launch) -> Product:
    assert launch.layer.product is not None, f"'{launch.layer.name}' is a matrix product"
    return launch.layer.product
