"""Folding pixels into channels changes no bit, takes fewer taps, and stays away from what the array makes."""

from __future__ import annotations

import numpy as np
from bsr_passes import main_of, same_before_and_after
from hypothesis import assume, given
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block

from dialects.bsr import Conv2dOp, HostOp, RequantiseOp, WeightsOp, fixed_type
from passes.bsr_fold_pixels import BsrFoldPixelsPass

PAIRS = st.tuples(st.integers(1, 4), st.integers(1, 4))


def stem(
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
    *,
    skip: bool = False,
    seed: int = 0,
) -> tuple[ModuleOp, dict[str, np.ndarray]]:
    """A convolution with 5 results of an input of `shape`, with values for it; with a skip, for that too."""
    rng = np.random.default_rng(seed)
    channels, height, width = shape
    values = rng.integers(-128, 128, (5, channels, *kernel)).astype(np.int8)
    weights = WeightsOp.from_dense(values, rng.integers(-999, 999, 5).astype(np.int32), 2, "w")
    sizes = (height + pads[0] + pads[2], width + pads[1] + pads[3])
    rows, columns = (
        (size - (taps - 1) * dilation - 1) // stride + 1
        for size, taps, dilation, stride in zip(sizes, kernel, dilations, strides, strict=True)
    )
    others = [fixed_type((1, 5, rows, columns), 1)] if skip else []
    block = Block(arg_types=[fixed_type((1, *shape), 3), *others])
    added = {"skip": block.args[1], "inner_position": 0, "inner_clamp": (-70, 99)} if skip else {}
    conv = Conv2dOp(
        block.args[0], weights.result, -2, strides=strides, pads=pads, dilations=dilations, clamp=(-99, 100), **added
    )
    block.add_ops([weights, conv])
    shapes = [(1, *shape), *([(1, 5, rows, columns)] if skip else [])]
    inputs = {f"input{i}": rng.integers(-128, 128, size).astype(np.int8) for i, size in enumerate(shapes)}
    return main_of(block, conv.result), inputs


def convolution_of(module: ModuleOp) -> Conv2dOp:
    (conv,) = [op for op in module.walk() if isinstance(op, Conv2dOp)]
    return conv


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 13), st.integers(1, 13)),
    kernel=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    strides=PAIRS,
    pads=st.tuples(*[st.integers(0, 3)] * 4),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    skip=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_folded_convolution_gives_the_same(
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    skip: bool,
    seed: int,
) -> None:
    reach = [(taps - 1) * dilation + 1 for taps, dilation in zip(kernel, dilations, strict=True)]
    assume(reach[0] <= shape[1] + pads[0] + pads[2] and reach[1] <= shape[2] + pads[1] + pads[3])
    module, inputs = stem(shape, kernel, strides, pads, dilations, skip=skip, seed=seed)
    taps = kernel[0] * kernel[1]
    same_before_and_after(module, inputs, BsrFoldPixelsPass(), target=None)
    conv = convolution_of(module)
    folded = conv.kernel[0] * conv.kernel[1]
    assert folded < taps if isinstance(conv.input.owner, HostOp) else folded == taps


def test_the_first_layer_of_resnet() -> None:
    """7x7 with stride 2 on 3 channels: 28 taps on 6 channels instead of 49 on 3, at every level."""
    module, inputs = stem((3, 21, 22), (7, 7), (2, 2), (3, 3, 3, 3))
    BsrFoldPixelsPass().apply(Context(), module)
    conv = convolution_of(module)
    assert (conv.kernel, conv.strides, conv.pads) == ((7, 4), (2, 1), (3, 2, 3, 1))
    same_before_and_after(module, inputs)


def test_both_axes_fold_where_channels_are_few() -> None:
    module, inputs = stem((1, 9, 11), (5, 5), (2, 2), (2, 2, 2, 2))
    BsrFoldPixelsPass().apply(Context(), module)
    assert convolution_of(module).kernel == (3, 3)
    same_before_and_after(module, inputs)


def test_a_stride_of_1_stays() -> None:
    module, _ = stem((3, 8, 8), (3, 3), pads=(1, 1, 1, 1))
    BsrFoldPixelsPass().apply(Context(), module)
    assert not any(isinstance(op, HostOp) for op in module.walk())


def test_a_map_that_the_array_makes_stays() -> None:
    block = Block(arg_types=[fixed_type((1, 3, 8, 8), 3)])
    coarser = RequantiseOp(block.args[0], 2)
    weights = WeightsOp.from_dense(np.ones((5, 3, 3, 3), np.int8), np.zeros(5, np.int32), 2, "w")
    conv = Conv2dOp(coarser.result, weights.result, 0, strides=(2, 2))
    block.add_ops([coarser, weights, conv])
    module = main_of(block, conv.result)
    BsrFoldPixelsPass().apply(Context(), module)
    assert convolution_of(module) is conv
