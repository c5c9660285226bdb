"""
What must come to a core that multiplies two maps as matrices, word by word, from what a matrix product is.

For each pair of an output channel and a term of its sum, the byte at which the kernel looks has to be that of the map.
Words are four channels of one pixel, so both operands are compared as words, and zeros where there is no pixel.
"""

from __future__ import annotations

import numpy as np

from compiler.scheduling.launch_checker import Numbers, WordNumbers
from compiler.tiling.launch import CoreWork, Launch


def matmul_input_faults(
    launch: Launch, work: CoreWork, maps: tuple[int, ...], stream: Numbers, numbers: WordNumbers
) -> list[str]:
    """Where the operands of a core are not what its output needs. `maps` are the left and the right one."""
    product, whole = launch.layer.product, launch.whole
    assert product is not None, f"'{launch.layer.name}' is a matrix product"
    depth, per_head = whole.input.blocks // product.heads, whole.output.blocks // product.heads
    head, last = work.blocks[0] // per_head, (work.blocks[1] - 1) // per_head
    if head != last:
        return [f"output blocks {work.blocks} of heads {head} to {last}, a core has the operands of one"]
    count, width = work.block_count, launch.layer.output.width
    if stream.size != count * depth * 16 + depth * width * 2:
        return [f"{stream.size} words arrive for {count} output blocks, {depth} blocks of terms and {width} pixels"]
    blocks, row = stream[: count * depth * 16].reshape(count, depth, 8, 2), stream[count * depth * 16 :]
    terms = head * depth + np.arange(depth)
    columns = launch.tile.output + np.arange(width)
    faults: list[str] = []
    if not np.array_equal(row.reshape(depth, width, 2), numbers.pixels(maps[0], 0, terms, columns)):
        faults.append(f"the left operand is not {width} pixels of head {head} of map {maps[0]}")
    for index, block in enumerate(range(*work.blocks)):
        if product.transposed:
            pixels = 8 * (block - head * per_head) + np.arange(8)
            wanted = numbers.pixels(maps[1], 0, terms, pixels)
        else:
            wanted = numbers.pixels(maps[1], 0, np.array([block]), np.arange(8 * depth)).reshape(depth, 8, 2)
        if not np.array_equal(blocks[index], wanted):
            faults.append(f"the right operand of output block {block} is not that of map {maps[1]}")
    return faults
