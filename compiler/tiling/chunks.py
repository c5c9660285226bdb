"""Cut a convolution's block-sparse weights into the chunks that a launch streams to its cores."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from compiler.kernels.rescaling import Rescaling
from compiler.kernels.weight_chunk import encode_chunk
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Range


@dataclass(frozen=True, eq=False)
class SparseWeights:
    """
    Γ [output block][input block], its non-zero blocks in row-major order [block][kh][kw][8 in][8 out], and bias.

    Of a scaled convolution also what its sums are multiplied by, and what rows of zero-points add, [taps][outputs].
    """

    gamma: npt.NDArray[np.bool_]
    values: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    rescaling: Rescaling | None = None
    edges: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 0), np.int32))

    def block_numbers(self) -> npt.NDArray[np.int64]:
        """Index into `values` of each block of Γ; meaningless where Γ is 0."""
        return np.cumsum(self.gamma.reshape(-1)).reshape(self.gamma.shape) - 1


@dataclass(frozen=True, eq=False)
class WeightStreams:
    """All chunks of a launch, stream after stream, each chunk `chunk_words` long."""

    words: npt.NDArray[np.int32]
    streams: tuple[tuple[int, int], ...]
    """First word and number of chunks of each stream."""
    chunk_words: int


def _places(launch: Launch, present: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Pixels from the start of a row of the stream to what each tap sees of the first one, [present block][tap]."""
    if launch.flat is not None:
        return launch.flat.places(present, launch.input_chunk)
    # rows lie in as many parts as the stride: which one a horizontal tap sees, and how far from its start
    stride = launch.column_stride
    place, part = np.divmod(np.arange(launch.layer.kernel_size[1]) * launch.layer.dilations[1], stride)
    width = launch.fetch.width // stride
    return present[:, None] * width + part * launch.input_chunk * width + place


def _chunk(
    weights: SparseWeights, numbers: npt.NDArray[np.int64], launch: Launch, blocks: Range, inputs: Range
) -> npt.NDArray[np.int32]:
    """The chunk of output `blocks` and input blocks `inputs`."""
    taps, columns = launch.layer.kernel_size
    pointers = [0]
    offsets: list[npt.NDArray[np.int64]] = []
    values: list[npt.NDArray[np.int8]] = []
    for block in range(*blocks):
        present = np.flatnonzero(weights.gamma[block, inputs[0] : inputs[1]])
        entries = weights.values[numbers[block, inputs[0] + present]]
        # a map that is one row has one line of taps, whatever its kernel is
        lines = entries.reshape(len(entries), taps, columns, 8, 8)
        values.append(lines.transpose(1, 0, 2, 3, 4).reshape(-1, 8, 8))
        row = _places(launch, present).reshape(-1) * 2
        offsets += [row] * taps
        pointers += [pointers[-1] + row.size * tap for tap in range(1, taps + 1)]
    bias = np.zeros(8 * (blocks[1] - blocks[0]), np.int32)
    channels = slice(8 * blocks[0], min(8 * blocks[1], weights.bias.size))
    mine = weights.bias[channels]
    bias[: mine.size] = mine
    return encode_chunk(
        np.array(pointers, np.int32),
        bias,
        np.concatenate(offsets).astype(np.int32),
        np.concatenate(values),
        None if weights.rescaling is None else weights.rescaling.words(channels, weights.edges),
    )


def weight_streams(weights: SparseWeights, launch: Launch) -> WeightStreams:
    """Chunks in the order the cores use them: for each output chunk, its input chunks."""
    numbers = weights.block_numbers()
    size = launch.chunk_words
    chunks: list[npt.NDArray[np.int32]] = []
    streams: list[tuple[int, int]] = []
    for first, last in launch.slices:
        begin = len(chunks)
        for block in range(first, last, launch.output_chunk):
            blocks = (block, min(block + launch.output_chunk, last))
            for start in range(0, launch.layer.input.blocks, launch.input_chunk):
                words = _chunk(weights, numbers, launch, blocks, (start, start + launch.input_chunk))
                assert words.size <= size, f"chunk of {words.size} words in a slot of {size}"
                chunks.append(np.pad(words, (0, size - words.size)))
        streams.append((begin * size, len(chunks) - begin))
    return WeightStreams(np.concatenate(chunks), tuple(streams), size)
