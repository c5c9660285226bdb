"""The parameters of a launch: what all its cores share, and what each core has of its own."""

from __future__ import annotations

from compiler.kernels.parameters import Kernel, Parameter
from compiler.tiling.arena import WEIGHT_SLOTS
from compiler.tiling.launch import CoreWork, Launch

P = Parameter


SUMS = {
    P.SHIFT_A: P.SHIFT_A,
    P.SHIFT_B: P.SHIFT_B,
    P.SHIFT: P.SUM_SHIFT,
    P.CLAMP_LOW: P.SUM_CLAMP_LOW,
    P.CLAMP_HIGH: P.SUM_CLAMP_HIGH,
}
"""Parameters of an addition, and what they are called where a convolution adds."""


def _addition(launch: Launch) -> dict[Parameter, int]:
    """Parameters of the addition after a convolution."""
    addition = launch.layer.addition
    if addition is None:
        return {}
    sums = {SUMS[name]: value for name, value in addition.constants if name in SUMS}
    alone = {P.SKIPS_ALONE: 1} if launch.skips_alone else {}
    return {P.SKIP: launch.stream_row_words - launch.skip_words, **sums, **alone}


def common_parameters(launch: Launch) -> dict[Parameter, int]:
    """Parameters that are the same on every core."""
    layer, arena, fetch = launch.layer, launch.arena, launch.fetch
    added = layer.kernel.pairs
    sides = (fetch.left, fetch.right) if layer.sees_zero_points else (0, 0)
    scaled = {
        P.EDGE_LEFT: sides[0],
        P.EDGE_RIGHT: sides[1],
        P.EDGE_BLOCKS: launch.input_chunk,
        P.EDGE_STRIDE: 2 * fetch.width // launch.column_stride,
    }
    return {
        P.KERNEL: layer.kernel,
        P.INPUT_CHUNKS: launch.input_chunks,
        P.WINDOW: 2 if added else layer.window_rows,
        P.ROW_STRIDE: launch.row_stride,
        P.ROW_STEP: layer.dilations[0],
        P.STAYS: int(launch.stays and not launch.skips_alone),
        P.TAPS: 2 if added else layer.kernel_size[0],
        P.INPUT_BASE: arena.input_base,
        P.INPUT_SLOT: arena.input_slot,
        P.INPUT_SLOTS: arena.input_slots,
        P.WEIGHT_SLOT: arena.weight_slot,
        P.WEIGHT_SLOTS: WEIGHT_SLOTS if layer.kernel.weighted else 0,
        P.OUTPUT_BASE: arena.output_base,
        P.OUTPUT_SLOT: arena.output_slot,
        P.OUTPUT_SLOTS: arena.output_slots,
        P.PARTIAL_BASE: arena.partial_base,
        # rows that never wait for another input chunk share one place for their sums
        P.PARTIAL_ROW: arena.partial_row if launch.input_chunks > 1 else 0,
        P.WIDTH: layer.output.width,
        P.BLOCK_STRIDE: 2 * fetch.width,
        P.KERNEL_WIDTH: layer.kernel_size[1],
        P.COLUMN_STRIDE: launch.column_stride,
        P.COLUMN_ORIGIN: -layer.pads[1],
        P.MAP_WIDTH: layer.input.width,
        **(scaled if layer.kernel is Kernel.SCALED_CONV else {}),
        **({P.ROWS_TOGETHER: launch.rows_together} if launch.rows_together > 1 else {}),
        **dict(layer.constants),
        **_addition(launch),
    }


def own_parameters(launch: Launch, work: CoreWork) -> dict[Parameter, int]:
    """Parameters of one core."""
    layer = launch.layer
    added = layer.kernel.pairs
    first = work.input_rows[0]
    chunk = launch.output_chunk if launch.slices else work.block_count
    chunks = -(-work.block_count // chunk)
    origin = 0 if added or launch.skipped else work.output_rows[0] * layer.strides[0] - layer.pads[0] - first
    own = {
        P.OUTPUT_CHUNKS: chunks,
        P.ROWS: work.rows,
        P.STREAM_ROWS: 2 * work.rows if added else launch.stream_rows(work),
        P.ROW_ORIGIN: origin,
        P.BLOCKS: chunk,
        P.LAST_BLOCKS: work.block_count - (chunks - 1) * chunk,
    }
    if launch.stays:
        own[P.INPUT_SLOTS] = max(1, launch.input_chunks * launch.stream_rows(work))
    constants = dict(layer.constants)
    if layer.kernel is Kernel.AVG_POOL:
        # the layer says which rows and columns count on the map; a core counts from the first ones that it sees
        own[P.COUNT_TOP] = constants[P.COUNT_TOP] - first
        own[P.COUNT_BOTTOM] = constants[P.COUNT_BOTTOM] - first
        own[P.COUNT_LEFT] = constants[P.COUNT_LEFT] - launch.tile.input
        own[P.COUNT_RIGHT] = constants[P.COUNT_RIGHT] - launch.tile.input
    return own
