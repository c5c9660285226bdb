"""Block-sparse weights and their products against scipy's own block sparse rows (`scipy.sparse.bsr_array`)."""

from __future__ import annotations

from typing import get_args

import numpy as np
from bsr_modules import arrays_of, module_of
from bsr_networks import Gemm, Input, Mask, Network
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import bsr_array

from compiler.interpret.bsr import interpret_bsr
from compiler.quantization.arithmetic import requantise
from dialects.bsr import WeightsOp
from dialects.bsr_attributes import BLOCK


@given(
    channels=st.integers(1, 70),
    outputs=st.integers(1, 70),
    mask=st.sampled_from(get_args(Mask)),
    seed=st.integers(0, 1 << 16),
)
def test_blocks_and_products_are_those_of_scipy(channels: int, outputs: int, mask: Mask, seed: int) -> None:
    layer = Gemm(0, outputs, mask=mask, shift=9)
    network = Network(seed, (Input(channels, 1, 1),), (layer,))
    module = module_of(network)
    (weights,) = (op for op in module.walk() if isinstance(op, WeightsOp))
    dense = weights.dense()[:, :, 0, 0]
    padded = np.pad(dense, [(0, -size % BLOCK) for size in dense.shape])
    sparse = bsr_array(padded, blocksize=(BLOCK, BLOCK))

    gamma = weights.gamma_mask()
    np.testing.assert_array_equal(gamma.sum(axis=1).cumsum(), sparse.indptr[1:])
    np.testing.assert_array_equal(np.nonzero(gamma)[1], sparse.indices)
    # a block of ours is [kernel row][kernel column][input][output], one of scipy's [output][input]
    np.testing.assert_array_equal(weights.block_values()[:, 0, 0].transpose(0, 2, 1), sparse.data)

    inputs = arrays_of(network)
    pixels = np.pad(inputs["input0"].reshape(-1).astype(np.int64), (0, -channels % BLOCK))
    sums = (sparse.astype(np.int64) @ pixels)[:outputs] + weights.bias_values()
    (found,) = interpret_bsr(module, inputs).outputs.values()
    np.testing.assert_array_equal(found.reshape(-1), requantise(sums, layer.shift, layer.rounding, layer.clamp))
