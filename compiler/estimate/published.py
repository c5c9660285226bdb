"""
The cost model of the published system, as it was published: its formulas, its units, and its defect.

    weights   unified = blocks·64·kh·kw + 4·COUT + 2·(block positions)      blocks: those that are not zero
    LOADW     Σ over loads: align128(sub-volumes·unified) + parameters      DDR to MemTile
    LOADWM    loads · align16(unified) + parameters                         MemTile to core
    LOADFM    runs · I_h · ceil8(I_w) · I_c        WRITEFM  runs · O_h · ceil8(O_w) · O_c
    COMP      runs · ceil(I_h · I_w · I_c · kh · kw · W_cin · density / 256)
    layer     max(LOAD, LOADW) + LOADWM + segments + WRITE
    segments  Σ over runs: LOADFM + COMP + WRITEFM at the map's edge, else the longest of the three

Bytes move at 2^32 per second on every channel, cycles are nanoseconds. LOAD and WRITE, what the published allocator
moved between DDR and the MemTiles, are decisions and not formulas, and so is how often a tile runs: they are read from
the published logs. COMP multiplies the *input* tile by the input channels of the weights, so that output channels do
not count at all. `Computing.TRUE` puts the layer's own products in its place, spread evenly over the cores, and lets
every run overlap with its transfers; tiles and transfers stay as they are.

This model says nothing about our arrays, and its numbers never appear in one table with `compiler.estimate.estimate`
unless each column says whose they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

BYTES_PER_SECOND = 2**32
CYCLES_PER_SECOND = 1e9
MAC_PER_CYCLE = 256
BLOCK = 8
CONVOLUTION = "conv2d"
ADDITION = "add"
CONCATENATION = "concat"

_PARAMETERS = {CONVOLUTION: 192, ADDITION: 160, "maxpool2d": 96, "avgpool2d": 96}
"""Bytes of a layer's instruction parameters (from the logs: the same in all runs)."""
_POOL_ROWS = {"avgpool2d": 3, "maxpool2d": 2}
"""Window of the pools whose core input the logs give with fewer rows than the output needs (four layers)."""

Shape = tuple[int, int, int]
"""Rows, columns, channels."""


class Computing(Enum):
    """How the time of computing is counted."""

    PUBLISHED = "published"
    TRUE = "true MACs"


@dataclass(frozen=True)
class Weights:
    """Output channels, kernel rows and columns, input channels of what a core holds at a time."""

    outputs: int
    rows: int
    columns: int
    inputs: int

    @property
    def positions(self) -> int:
        """8x8 blocks, zero or not."""
        return self.outputs // BLOCK * -(-self.inputs // BLOCK)

    def unified_bytes(self, density: float) -> int:
        """Non-zero blocks, bias and block mask in one tensor."""
        blocks = int(self.positions * density)
        return blocks * BLOCK * BLOCK * self.rows * self.columns + 4 * self.outputs + 2 * self.positions


@dataclass(frozen=True)
class PublishedLayer:
    """One layer of one run: what a core sees at a time, and how often."""

    name: str
    operation: str
    array: int
    """Columns, and rows."""
    macs: int
    density: float
    weights: Weights | None
    core_input: Shape
    core_output: Shape
    input_rows: int
    """Of the part of the map that a MemTile holds."""
    output_rows: int
    runs: int
    """How often the core tile runs."""
    loads: int
    """How often a core loads weights."""
    memory_loads: tuple[int, ...]
    """Loads of the MemTiles: core tiles of weights in each."""
    load_seconds: float
    write_seconds: float


def aligned(size: int, to: int) -> int:
    """The next multiple."""
    return -(-size // to) * to


def _columns(layer: PublishedLayer, width: int) -> int:
    """Convolutions pad their rows to 8 pixels."""
    return aligned(width, BLOCK) if layer.operation == CONVOLUTION else width


def load_weights_seconds(layer: PublishedLayer) -> float:
    """LOADW: from DDR into the MemTiles."""
    size = aligned(_PARAMETERS.get(layer.operation, 0), 64)
    if layer.weights is not None:
        unified = layer.weights.unified_bytes(layer.density)
        size += sum(aligned(sub_volumes * unified, 128) for sub_volumes in layer.memory_loads)
    return size / BYTES_PER_SECOND


def broadcast_weights_seconds(layer: PublishedLayer) -> float:
    """LOADWM: from the MemTiles into the cores."""
    size = _PARAMETERS.get(layer.operation, 0)
    if layer.weights is not None:
        size += layer.loads * aligned(layer.weights.unified_bytes(layer.density), 16)
    return size / BYTES_PER_SECOND


def load_map_seconds(layer: PublishedLayer) -> float:
    """LOADFM of one run; an addition loads two tiles."""
    rows, columns, channels = layer.core_input
    tiles = 2 if layer.operation == ADDITION else 1
    return tiles * rows * _columns(layer, columns) * channels / BYTES_PER_SECOND


def write_map_seconds(layer: PublishedLayer) -> float:
    """WRITEFM of one run."""
    rows, columns, channels = layer.core_output
    return rows * _columns(layer, columns) * channels / BYTES_PER_SECOND


def compute_seconds(layer: PublishedLayer, computing: Computing = Computing.PUBLISHED) -> float:
    """COMP of one run."""
    volume = math.prod(layer.core_input)
    weights = layer.weights
    if weights is None:
        cycles = math.ceil(volume / MAC_PER_CYCLE)
    elif computing is Computing.PUBLISHED:
        counted = volume * weights.rows * weights.columns * weights.inputs * layer.density
        cycles = math.ceil(counted / MAC_PER_CYCLE)
    else:
        cores = layer.array * layer.array
        cycles = math.ceil(layer.macs * layer.density / (layer.runs * cores * MAC_PER_CYCLE))
    return cycles / CYCLES_PER_SECOND


def edge_runs(layer: PublishedLayer) -> int:
    """Runs whose window leaves the map above or below: those overlap nothing."""
    if layer.operation == ADDITION or not layer.runs:
        return 0
    stride = max(1, round(layer.input_rows / layer.output_rows))
    step = layer.core_output[0]
    window = layer.core_input[0] - (step - 1) * stride
    if layer.weights is not None:
        window = layer.weights.rows
    elif window < 1:
        window = _POOL_ROWS[layer.operation]
    border = max(0, (layer.output_rows - 1) * stride + window - layer.input_rows)
    above = (border + 1) // 2
    passes = -(-layer.output_rows // step)
    edges = 0
    for number in range(passes):
        first = number * step * stride - above
        last = (min((number + 1) * step, layer.output_rows) - 1) * stride - above + window
        edges += (first < 0) + (last > layer.input_rows)
    return edges * max(1, round(layer.runs / passes))


def layer_seconds(layer: PublishedLayer, computing: Computing = Computing.PUBLISHED) -> float:
    """All of a layer."""
    parts = (load_map_seconds(layer), compute_seconds(layer, computing), write_map_seconds(layer))
    edges = edge_runs(layer) if computing is Computing.PUBLISHED else 0
    segments = (layer.runs - edges) * max(parts) + edges * sum(parts)
    before = max(layer.load_seconds, load_weights_seconds(layer)) + broadcast_weights_seconds(layer)
    return before + segments + layer.write_seconds
