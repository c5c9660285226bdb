"""Chunks hold the dense weights: decoded by the definition of their layout, nothing is lost and nothing invented."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from strategies import ConvolutionShape, convolution_shapes

from compiler.errors import CapacityError
from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import Kernel
from compiler.kernels.weight_chunk import BLOCK_WORDS, OFFSET_BITS, ChunkView, chunk_words, encode_chunk
from compiler.scheduling.stripes import even_stripes
from compiler.tiling.chunks import SparseWeights, weight_streams
from compiler.tiling.conv import ConvPlanner
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, MapShape, Range, blocks_of

Words = npt.NDArray[np.int32]


def random_weights(layer: Layer, seed: int) -> SparseWeights:
    """Values and bias for a layer's Γ; both use the whole of their range."""
    random = np.random.default_rng(seed)
    count = int(layer.gamma.sum())
    values = random.integers(-128, 128, (count, *layer.kernel_size, 8, 8)).astype(np.int8)
    bias = random.integers(-(2**31), 2**31, layer.output.channels, np.int32)
    return SparseWeights(layer.gamma, values, bias)


def dense(weights: SparseWeights, layer: Layer) -> npt.NDArray[np.int8]:
    """[kh][kw][input block][output block][8 in][8 out], zeros where Γ is."""
    rows, columns = layer.kernel_size
    whole = np.zeros((rows, columns, layer.input.blocks, layer.output.blocks, 8, 8), np.int8)
    for block, (output, source) in zip(weights.values, np.argwhere(weights.gamma), strict=True):
        whole[:, :, source, output] = block
    return whole


def decode(chunk: Words, launch: Launch, blocks: int) -> tuple[npt.NDArray[np.int8], Words]:
    """Dense weights of a chunk and its bias, from the words and the layout of an input slot alone."""
    taps, columns = launch.layer.kernel_size
    view = ChunkView.of(blocks, taps)
    pointers = chunk[view.pointers : view.bias]
    found = np.zeros((taps, columns, launch.input_chunk, blocks, 8, 8), np.int8)
    for block in range(blocks):
        for tap in range(taps):
            for entry in range(pointers[block * taps + tap], pointers[block * taps + tap + 1]):
                named, offset = divmod(int(chunk[view.offsets + entry]), 1 << OFFSET_BITS)
                assert named == tap
                stride = launch.column_stride
                # [part][block][column of the part]
                part, place = divmod(offset // 2, launch.input_chunk * launch.fetch.width // stride)
                source, column = divmod(place, launch.fetch.width // stride)
                pixel = column * stride + part
                column, rest = divmod(pixel, launch.layer.dilations[1])
                assert rest == 0
                start = int(chunk[0]) + entry * BLOCK_WORDS
                assert not found[tap, column, source, block].any()
                found[tap, column, source, block] = chunk[start : start + BLOCK_WORDS].view(np.int8).reshape(8, 8)
    return found, chunk[view.bias : view.offsets]


def layer_of(shape: ConvolutionShape) -> Layer:
    height, width = shape.output_size
    return Layer(
        "conv",
        Kernel.CONV,
        MapShape(shape.input_channels, shape.height, shape.width),
        MapShape(shape.output_channels, height, width),
        shape.kernel,
        shape.strides,
        shape.pads,
        shape.dilations,
        shape.gamma,
    )


def launches_of(layer: Layer, target: str, memory: int) -> list[Launch]:
    """Launches on a chip with so much core memory; none where even one row is too much."""
    chip = chip_named(target).with_overrides({"core_memory_bytes": memory})
    try:
        return ConvPlanner(chip).plan(layer, even_stripes((0, layer.output.height), chip.columns))
    except CapacityError:
        return []


@given(
    shape=convolution_shapes(channels=40, side=8),
    target=st.sampled_from(("mesh-1x1", "mesh-2x2", "mesh-4x4", "mesh-3x5")),
    memory=st.sampled_from((65536, 9216, 6144)),
    seed=st.integers(0, 99),
)
def test_the_streams_of_a_launch_are_the_dense_weights(
    shape: ConvolutionShape, target: str, memory: int, seed: int
) -> None:
    layer = layer_of(shape)
    weights = random_weights(layer, seed)
    expected = dense(weights, layer)
    bias = np.zeros(8 * blocks_of(layer.output.channels), np.int32)
    bias[: weights.bias.size] = weights.bias
    for launch in launches_of(layer, target, memory):
        streams = weight_streams(weights, launch)
        for part, (start, count) in zip(launch.slices, streams.streams, strict=True):
            wanted = list(_chunks(launch, part))
            assert count == len(wanted)
            for index, (outputs, inputs) in enumerate(wanted):
                first = start + index * streams.chunk_words
                chunk = streams.words[first : first + streams.chunk_words]
                found, chunk_bias = decode(chunk, launch, outputs[1] - outputs[0])
                np.testing.assert_array_equal(found, expected[:, :, slice(*inputs), slice(*outputs)])
                np.testing.assert_array_equal(chunk_bias, bias[8 * outputs[0] : 8 * outputs[1]])


def _chunks(launch: Launch, part: Range) -> list[tuple[Range, Range]]:
    """(output blocks, input blocks) in the order of the core's loops: inputs within outputs."""
    return [
        ((block, min(block + launch.output_chunk, part[1])), (source, source + launch.input_chunk))
        for block in range(*part, launch.output_chunk)
        for source in range(0, launch.layer.input.blocks, launch.input_chunk)
    ]


def test_a_chunk_word_by_word() -> None:
    values = np.arange(128).reshape(2, 8, 8).astype(np.int8)
    chunk = encode_chunk(
        np.array([0, 1, 2], np.int32), np.arange(8, dtype=np.int32), np.array([6, 40], np.int32), values
    )
    # first block at 16, pointers of one output block and two taps, eight biases, two offsets below their taps, padding,
    # two blocks
    assert chunk[:14].tolist() == [16, 0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7, 6, (1 << 16) + 40]
    assert chunk[14:16].tolist() == [0, 0]
    np.testing.assert_array_equal(chunk[16:].view(np.int8), values.reshape(-1))
    assert chunk.size == chunk_words(1, 2, 2) == 48


@given(st.integers(1, 9), st.integers(1, 7), st.integers(0, 50))
def test_blocks_begin_on_64_bytes(blocks: int, taps: int, entries: int) -> None:
    chunk = encode_chunk(
        np.linspace(0, entries, blocks * taps + 1).astype(np.int32),
        np.zeros(8 * blocks, np.int32),
        np.zeros(entries, np.int32),
        np.zeros((entries, 8, 8), np.int8),
    )
    assert chunk[0] % BLOCK_WORDS == 0
    assert chunk.size == chunk_words(blocks, taps, entries) == chunk[0] + entries * BLOCK_WORDS
