"""
One row per segment: what it computes, how it is mapped, what it moves, how long it takes and why. Of a chain, whose
steps run together band by band, all that goes for the steps together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import PARAMETER_WORDS
from compiler.kernels.weight_chunk import ChunkView
from compiler.protocol.weight_streams import streamed_words
from compiler.report.flows import FILL, LOAD, Place, cycles_until, ddr_bytes, timeline_of
from compiler.simulate.result import SegmentTime, Simulation
from dialects.bsr import Conv2dOp, GemmOp, array_of, shape_of
from dialects.bsr_weights import weights_of
from dialects.mem import CopyOp, LaunchOp, SegmentOp, map_of
from dialects.mem import WeightsOp as ChunksOp

Contraction = Conv2dOp | GemmOp


@dataclass(frozen=True)
class Placement:
    """How a layer lies on the array."""

    cores: int
    slices: int
    """Different streams of weights: groups of output channels that are computed at the same time."""
    chunks: tuple[int, int]
    """Groups of output and of input channels that a core takes one after the other."""
    bands: int
    """Groups of rows that the MemTiles hold one after the other."""


@dataclass(frozen=True)
class LayerRow:
    """One segment."""

    time: SegmentTime
    operation: str
    input: str
    output: str
    blocks: tuple[int, int]
    """Non-zero and all weight blocks; (0, 0) without weights."""
    placement: Placement
    ddr: dict[str, int]
    """Bytes by way: fill, load, spill."""
    block_imbalance: float | None
    """Block products of the busiest core over the mean of all cores; None without weights."""
    compute_imbalance: float
    """Cycles of computing of the busiest core over the mean of all cores."""

    @property
    def name(self) -> str:
        """The segment's."""
        return self.time.name

    @property
    def zero_share(self) -> float | None:
        """Share of weight blocks that are zero; None without weights."""
        return 1 - self.blocks[0] / self.blocks[1] if self.blocks[1] else None

    @property
    def ddr_bytes(self) -> int:
        """All bytes between DDR and the MemTiles."""
        return sum(self.ddr.values())

    @property
    def macs_per_cycle(self) -> float:
        """Of the whole array, over the segment's own cycles."""
        return self.time.macs / max(1, self.time.cycles)


def layer_rows(modules: Mapping[str, ModuleOp], chip: Chip, simulation: Simulation) -> tuple[LayerRow, ...]:
    """The rows, in the order of the program."""
    segments = {op.segment_name.data: op for op in modules["mem"].walk() if isinstance(op, SegmentOp)}
    contractions = iter([op for op in modules["bsr"].walk() if isinstance(op, Conv2dOp | GemmOp)])
    imbalances = _compute_imbalances(simulation)
    rows: list[LayerRow] = []
    for index, time in enumerate(simulation.segments):
        segment = segments[time.name]
        launches = _launches(segment)
        # a convolution is lowered to launches of one segment with its kernel, in the order of the bsr level
        chain = [(step, next(contractions) if step.kernel.convolves else None) for step in _chain(launches)]
        weights = [weights_of(contraction.weights) for _, contraction in chain if contraction is not None]
        moved = ddr_bytes(time.links)
        rows.append(
            LayerRow(
                time,
                " + ".join(_operation(*step) for step in chain) or "move",
                *_shapes(segment, chain),
                (sum(op.non_zero_blocks for op in weights), sum(op.gamma_mask().size for op in weights)),
                _placement(launches, segment.bands),
                {
                    **moved,
                    FILL: moved[FILL] + _parameter_bytes(launches, chip),
                    LOAD: moved[LOAD] + _weight_bytes(launches, chip),
                },
                _block_imbalance(launches, chip) if weights else None,
                imbalances[index],
            )
        )
    return tuple(rows)


def _launches(segment: SegmentOp) -> list[LaunchOp]:
    return [op for op in segment.body.block.ops if isinstance(op, LaunchOp)]


def _chain(launches: list[LaunchOp]) -> list[LaunchOp]:
    """A launch of each step of a chain, as one launch reads what another one makes; of other segments one launch."""
    made: dict[SSAValue, LaunchOp] = {}
    reads: dict[SSAValue, set[SSAValue]] = {}
    for launch in launches:
        made.setdefault(launch.output, launch)
        inner = [value for value in launch.inputs if value in made]
        reads.setdefault(launch.output, {launch.output}).update(*(reads[value] for value in inner))
    longest = max(reads.values(), key=len, default=set[SSAValue]())
    return [launch for value, launch in made.items() if value in longest]


def _parameter_bytes(launches: list[LaunchOp], chip: Chip) -> int:
    """Bytes of all cores' parameters, which come for several segments at once."""
    return 4 * PARAMETER_WORDS * chip.columns * chip.core_rows * len(launches)


def _weight_bytes(launches: list[LaunchOp], chip: Chip) -> int:
    """Bytes that the columns load of the launches' weights; they come as one stream, of which no segment knows."""
    return 4 * sum(streamed_words(op, chip) for op in launches)


def _shape(shape: Sequence[int], operands: int = 1) -> str:
    text = "×".join(str(size) for size in shape[:3])
    return text if operands == 1 else f"{operands} of {text}"


def _shapes(segment: SegmentOp, chain: list[tuple[LaunchOp, Contraction | None]]) -> tuple[str, str]:
    """Input and output; of a convolution those of the network, whose maps may be folded or a part of another map."""
    if not chain:
        copies = [op for op in segment.body.block.ops if isinstance(op, CopyOp)]
        there, back = (
            sum(op.target_window.data.words for op in copies if op.fills is fills) for fills in (True, False)
        )
        return f"{there} words", f"{back} words"
    (first, reads), (_, writes) = chain[0], chain[-1]
    inputs = first.inputs
    source = _shape(map_of(inputs[0]).shape, len(inputs)) if reads is None else _tensor_shape(reads.input)
    return source, _shape(map_of(segment.output).shape) if writes is None else _tensor_shape(writes.result)


def _tensor_shape(value: SSAValue) -> str:
    return _shape((*shape_of(value.type)[1:], 1, 1))


def _operation(launch: LaunchOp, contraction: Contraction | None) -> str:
    if isinstance(contraction, GemmOp):
        return "gemm"
    if isinstance(contraction, Conv2dOp):
        _, _, height, width = weights_of(contraction.weights).shape
        strides = contraction.strides
        stride = "" if strides == (1, 1) else f" /{strides[0]}" if strides[0] == strides[1] else f" /{strides}"
        return f"conv {height}×{width}{stride}"
    kind = launch.kernel.symbol.replace("_", " ")
    source, result = map_of(launch.inputs[0]), map_of(launch.output)
    return "concat" if kind == "requantise" and source.shape[0] < result.shape[0] else kind


def _placement(launches: list[LaunchOp], bands: int) -> Placement:
    cores = {(core.column, core.row) for launch in launches for core in launch.cores if core.own_parameters["rows"]}
    streams = {core.stream for launch in launches for core in launch.cores}
    outputs = max((core.own_parameters["output_chunks"] for launch in launches for core in launch.cores), default=1)
    inputs = max((launch.common_parameters["input_chunks"] for launch in launches), default=1)
    return Placement(len(cores), len(streams), (outputs, inputs), bands)


def _over_mean(values: list[float]) -> float:
    mean = sum(values) / max(1, len(values))
    return max(values, default=0.0) / mean if mean else 1.0


def _compute_imbalances(simulation: Simulation) -> list[float]:
    timeline = timeline_of(simulation)
    edges = np.array([timeline.begin, *(segment.end for segment in timeline.segments)], np.float64)
    cores = [
        np.diff(cycles_until([one for one in intervals if one.state == "compute"], edges))
        for intervals in timeline.cores.values()
    ]
    return [_over_mean([float(core[index]) for core in cores]) for index in range(len(timeline.segments))]


def _block_imbalance(launches: list[LaunchOp], chip: Chip) -> float:
    """Entries of the weight chunks that a core reads, times its rows; a core without work counts with none."""
    work: dict[Place, float] = {(column, row): 0.0 for column in range(chip.columns) for row in range(chip.core_rows)}
    for launch in (launch for launch in launches if launch.kernel.convolves):
        entries = _entries(launch)
        for core in launch.cores:
            work[core.column, core.row] += entries[core.stream] * core.own_parameters["rows"]
    return _over_mean(list(work.values()))


def _entries(launch: LaunchOp) -> dict[int, int]:
    """Non-zero blocks, one per tap, that each stream of weights lists."""
    assert launch.weights is not None, "a convolution has weights"
    chunks = launch.weights.owner
    assert isinstance(chunks, ChunksOp), "the weights of a launch come from mem.weights"
    words = array_of(chunks.values).reshape(-1).view(np.int32)
    taps, inputs = launch.common_parameters["taps"], launch.common_parameters["input_chunks"]
    found: dict[int, int] = {}
    for core in launch.cores:
        if core.stream in found:
            continue
        own = core.own_parameters
        first, count = chunks.streams[core.stream]
        total = 0
        for index in range(count):
            last = index // inputs == own["output_chunks"] - 1
            blocks = own["last_blocks"] if last else own["blocks"]
            # the last row pointer counts all entries of the chunk
            total += int(words[first + index * chunks.chunk_words + ChunkView.of(blocks, taps).bias - 1])
        found[core.stream] = total
    return found
