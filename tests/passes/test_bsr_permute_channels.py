"""Moving channel blocks changes no bit, evens out neighbours, and leaves in order what somebody else reads."""

from __future__ import annotations

import numpy as np
import pytest
from bsr_passes import main_of, same_before_and_after
from hypothesis import given
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, SSAValue

from dialects.bsr import TENSOR_NAME, Conv2dOp, GemmOp, MaxPoolOp, WeightsOp, fixed_type
from passes.bsr_permute_channels import BsrPermuteChannelsPass, paired

SIZE = 4
"""Height and width of every map."""


def sparse(rng: np.random.Generator, outputs: int, inputs: int, kernel: int, name: str) -> WeightsOp:
    """Weights whose rows of blocks are of very different density."""
    values = rng.integers(-128, 128, (outputs, inputs, kernel, kernel)).astype(np.int8)
    for row in range(0, outputs, 8):
        density = rng.random()
        for column in range(0, inputs, 8):
            if rng.random() > density:
                values[row : row + 8, column : column + 8] = 0
    return WeightsOp.from_dense(values, rng.integers(-9999, 9999, outputs).astype(np.int32), 3, name)


class Net:
    """A network under construction, with names for its tensors."""

    def __init__(self, seed: int, channels: int):
        self.rng = np.random.default_rng(seed)
        self.channels = channels
        self.block = Block(arg_types=[fixed_type((1, channels, SIZE, SIZE), 2)])
        self.inputs = {"input0": self.rng.integers(-128, 128, (1, channels, SIZE, SIZE)).astype(np.int8)}

    def conv(self, x: SSAValue, outputs: int, kernel: int, skip: SSAValue | None = None) -> Conv2dOp:
        """A convolution that keeps the size."""
        name = f"w{len(list(self.block.ops))}"
        inputs = x.type.get_shape()[1]
        weights = sparse(self.rng, outputs, inputs, kernel, name)
        added = {} if skip is None else {"skip": skip, "inner_position": 0}
        op = Conv2dOp(x, weights.result, -2, pads=(kernel // 2,) * 4, **added)
        op.attributes[TENSOR_NAME] = StringAttr(name)
        self.block.add_ops([weights, op])
        return op

    def module(self, *outputs: SSAValue) -> ModuleOp:
        """Finished."""
        return main_of(self.block, *outputs)


@given(
    seed=st.integers(0, 999),
    channels=st.sampled_from([3, 8, 20, 40]),
    middle=st.lists(st.tuples(st.sampled_from([8, 24, 36, 64]), st.sampled_from([1, 3])), min_size=1, max_size=3),
    tail=st.sampled_from(["conv", "gemm", "skip", "two", "pool", "output"]),
)
def test_a_network_gives_the_same(seed: int, channels: int, middle: list[tuple[int, int]], tail: str) -> None:
    net = Net(seed, channels)
    last: SSAValue = net.block.args[0]
    before = last
    for outputs, kernel in middle:
        before, last = last, net.conv(last, outputs, kernel).result
    match tail:
        case "conv":
            results = [net.conv(last, 16, 1).result]
        case "gemm":
            weights = sparse(net.rng, 16, last.type.get_shape()[1], SIZE, "gemm")
            gemm = GemmOp(last, weights.result, -4)
            net.block.add_ops([weights, gemm])
            results = [gemm.result]
        case "skip":
            added = net.conv(before, last.type.get_shape()[1], 1, skip=last).result
            results = [net.conv(added, 8, 1).result]
        case "two":
            results = [net.conv(last, 16, 1).result, net.conv(last, 8, 3).result]
        case "pool":
            pool = MaxPoolOp(last, (2, 2))
            net.block.add_op(pool)
            results = [net.conv(pool.result, 8, 1).result]
        case _:
            results = [last]
    same_before_and_after(net.module(*results), net.inputs, BsrPermuteChannelsPass())


def test_neighbours_have_as_many_blocks_together_as_any_others() -> None:
    assert paired(np.array([1, 9, 2, 8])).tolist() == [1, 0, 3, 2]
    assert paired(np.array([5, 5, 5])).tolist() == [0, 2, 1]
    net = Net(5, 64)
    first = net.conv(net.block.args[0], 128, 1)
    second = net.conv(first.result, 8, 1)
    counts = first.weights_op().gamma_mask().sum(axis=1)
    BsrPermuteChannelsPass().apply(Context(), net.module(second.result))
    moved = first.weights_op().gamma_mask().sum(axis=1)
    assert sorted(moved) == sorted(counts)
    assert np.ptp(moved.reshape(-1, 2).sum(axis=1)) < np.ptp(counts.reshape(-1, 2).sum(axis=1))
    # its channels are in another order: it is not the tensor of that name any more
    assert TENSOR_NAME not in first.attributes
    assert TENSOR_NAME in second.attributes


@pytest.mark.parametrize("outputs", [60, 64])
def test_a_result_and_a_last_block_that_is_not_full_stay(outputs: int) -> None:
    net = Net(7, 64)
    first = net.conv(net.block.args[0], outputs, 1)
    second = net.conv(first.result, 8, 1)
    before = first.weights_op().gamma_mask()
    # with 64 outputs it is a result of the network as well
    results = [second.result] if outputs == 60 else [second.result, first.result]
    BsrPermuteChannelsPass().apply(Context(), net.module(*results))
    np.testing.assert_array_equal(first.weights_op().gamma_mask(), before)
