"""Pads, ragged concatenations and reshapes become what the array runs, and no bit changes."""

from __future__ import annotations

import numpy as np
from bsr_passes import main_of, same_before_and_after
from hypothesis import event, given
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation

from dialects.bsr import (
    AddOp,
    ConcatOp,
    Conv2dOp,
    FixedAttr,
    HostOp,
    PadOp,
    RequantiseOp,
    ReshapeOp,
    Rounding,
    Scaled,
    ScaledAttr,
    WeightsOp,
    fixed_type,
    map_type,
    position_of,
    scale_of,
    shape_of,
)
from dialects.bsr_attributes import Encoding
from passes.bsr_pad_by_conv import BsrPadByConvPass
from passes.bsr_reshape_on_host import BsrReshapeOnHostPass
from passes.bsr_split_ragged_concat import BsrSplitRaggedConcatPass


def ops_of(module: ModuleOp, kind: type[Operation]) -> list[Operation]:
    return [op for op in module.walk() if isinstance(op, kind)]


@given(
    channels=st.lists(st.integers(1, 19), min_size=1, max_size=4),
    positions=st.lists(st.integers(-4, 12), min_size=4, max_size=4),
    goal=st.integers(-4, 12),
    seed=st.integers(0, 99),
)
def test_a_ragged_concatenation_is_convolutions_and_additions(
    channels: list[int], positions: list[int], goal: int, seed: int
) -> None:
    block = Block(arg_types=[fixed_type((1, count, 3, 2), p) for count, p in zip(channels, positions, strict=False)])
    concat = ConcatOp(block.args, goal, clamp=(-100, 90))
    block.add_op(concat)
    module = main_of(block, concat.result)
    rng = np.random.default_rng(seed)
    inputs = {f"input{i}": rng.integers(-128, 128, (1, n, 3, 2)).astype(np.int8) for i, n in enumerate(channels)}
    same_before_and_after(module, inputs, BsrSplitRaggedConcatPass())


ENCODINGS = st.one_of(
    st.integers(-2, 4).map(FixedAttr),
    st.builds(
        lambda scale, zero: ScaledAttr(Scaled(float(np.float32(scale)), zero)),
        st.floats(0.06, 1.9),
        st.integers(-128, 127),
    ),
)


@given(
    channels=st.lists(st.integers(1, 19), min_size=2, max_size=4),
    encodings=st.lists(ENCODINGS, min_size=4, max_size=4),
    goal=ENCODINGS,
    rounding=st.sampled_from(("half_even", "half_up")),
    seed=st.integers(0, 99),
)
def test_a_ragged_concatenation_of_general_scales_is_convolutions_and_additions(
    channels: list[int], encodings: list[Encoding], goal: Encoding, rounding: Rounding, seed: int
) -> None:
    block = Block(
        arg_types=[map_type((1, count, 3, 2), each) for count, each in zip(channels, encodings, strict=False)]
    )
    concat = ConcatOp(block.args, goal, clamp=(-100, 90), rounding=rounding)
    block.add_op(concat)
    module = main_of(block, concat.result)
    rng = np.random.default_rng(seed)
    inputs = {f"input{i}": rng.integers(-128, 128, (1, n, 3, 2)).astype(np.int8) for i, n in enumerate(channels)}
    ragged = any(count % 8 for count in channels[:-1])
    far = concat.is_scaled and max(scale_of(each.type) for each in block.args) >= 32 * scale_of(concat.result.type)
    event("stays" if far or not ragged else "placed")
    rewritten = module.clone()
    BsrSplitRaggedConcatPass().apply(Context(), rewritten)
    assert bool(ops_of(rewritten, ConcatOp)) == (far or not ragged)
    same_before_and_after(module, inputs, BsrSplitRaggedConcatPass(), target=None if far else "mesh-2x2")


def test_a_concatenation_of_whole_blocks_stays() -> None:
    block = Block(arg_types=[fixed_type((1, 8, 2, 2), 3), fixed_type((1, 5, 2, 2), 3)])
    concat = ConcatOp(block.args, 3)
    block.add_op(concat)
    module = main_of(block, concat.result)
    BsrSplitRaggedConcatPass().apply(Context(), module)
    assert ops_of(module, ConcatOp)


@given(pads=st.tuples(*[st.integers(0, 3)] * 4), channels=st.integers(1, 20), seed=st.integers(0, 99))
def test_a_pad_is_a_convolution_with_the_identity(pads: tuple[int, int, int, int], channels: int, seed: int) -> None:
    block = Block(arg_types=[fixed_type((1, channels, 2, 3), 3)])
    pad = PadOp(block.args[0], pads)
    block.add_op(pad)
    module = main_of(block, pad.result)
    values = np.random.default_rng(seed).integers(-128, 128, (1, channels, 2, 3)).astype(np.int8)
    same_before_and_after(module, {"input0": values}, BsrPadByConvPass())


def test_a_reshape_that_the_array_reads_goes_through_the_host() -> None:
    block = Block(arg_types=[fixed_type((1, 12, 2, 3), 3)])
    reshape = ReshapeOp(block.args[0], (1, 72))
    added = AddOp(reshape.result, reshape.result, 2)
    block.add_ops([reshape, added])
    module = main_of(block, added.result)
    values = np.random.default_rng(0).integers(-128, 128, (1, 12, 2, 3)).astype(np.int8)
    same_before_and_after(module, {"input0": values}, BsrReshapeOnHostPass())


def test_a_reshape_that_keeps_the_bytes_or_that_only_the_host_reads_stays() -> None:
    block = Block(arg_types=[fixed_type((1, 12, 1, 1), 3)])
    vector = ReshapeOp(block.args[0], (1, 12))
    finer = RequantiseOp(vector.result, 4)
    image = ReshapeOp(finer.result, (1, 3, 2, 2))
    block.add_ops([vector, finer, image])
    module = main_of(block, image.result)
    values = np.arange(12, dtype=np.int8).reshape(1, 12, 1, 1)
    same_before_and_after(module, {"input0": values}, BsrReshapeOnHostPass())
    assert not ops_of(module, HostOp)


def test_a_convolution_whose_windows_lie_wholly_on_the_border() -> None:
    """A core may have output rows and no input row at all; its output is the requantised bias."""
    block = Block(arg_types=[fixed_type((1, 3, 1, 1), 3)])
    weights = WeightsOp.from_dense(np.ones((3, 3, 1, 1), np.int8), np.array([5, -6, 7], np.int32), 0, "w")
    conv = Conv2dOp(block.args[0], weights.result, 3, pads=(3, 3, 3, 3))
    block.add_ops([weights, conv])
    module = main_of(block, conv.result)
    assert shape_of(conv.result.type) == (1, 3, 7, 7)
    assert position_of(conv.result.type) == 3
    same_before_and_after(module, {"input0": np.full((1, 3, 1, 1), 9, np.int8)})
