"""Means with general scales become convolutions with ones where every sum rounds alike, and no bit changes."""

from __future__ import annotations

import numpy as np
import pytest
from bsr_passes import main_of, same_before_and_after
from hypothesis import event, given
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block

from compiler.quantization.arithmetic import ROUNDINGS, Rounding
from dialects.bsr import AvgPoolOp, Conv2dOp, PadOp, map_type
from dialects.bsr_attributes import Scaled, ScaledAttr
from passes.bsr_mean_by_conv import BsrMeanByConvPass
from passes.bsr_scaled_on_host import BsrScaledOnHostPass
from passes.bsr_unfit_on_host import BsrUnfitOnHostPass

SCALES = st.floats(2.0**-7, 0.25, width=32) | st.sampled_from((0.0625, 0.09375, 0.1875))


def mean(
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    scales: tuple[Scaled, Scaled],
    *,
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    counted: bool = False,
    rounding: Rounding = "half_even",
) -> ModuleOp:
    block = Block(arg_types=[map_type((1, *shape), ScaledAttr(scales[0]))])
    result = ScaledAttr(scales[1])
    pool = AvgPoolOp(
        block.args[0], result, kernel, pads=pads, count_include_pad=counted, clamp=(-100, 120), rounding=rounding
    )
    block.add_op(pool)
    return main_of(block, pool.result)


def values_of(shape: tuple[int, int, int], seed: int) -> dict[str, np.ndarray]:
    return {"input0": np.random.default_rng(seed).integers(-128, 128, (1, *shape)).astype(np.int8)}


@given(
    kernel=st.tuples(*[st.integers(1, 8) | st.integers(1, 14)] * 2),
    scales=st.tuples(*[st.builds(Scaled, SCALES, st.integers(-128, 127))] * 2),
    padded=st.booleans(),
    rounding=st.sampled_from(ROUNDINGS),
    seed=st.integers(0, 99),
)
def test_every_sum_rounds_as_the_quotient(
    kernel: tuple[int, int], scales: tuple[Scaled, Scaled], padded: bool, rounding: Rounding, seed: int
) -> None:
    pads = (kernel[0] - 1, 0, 0, kernel[1] - 1) if padded else (0, 0, 0, 0)
    module = mean((9, 14, 15), kernel, scales, pads=pads, counted=padded, rounding=rounding)
    same_before_and_after(module, values_of((9, 14, 15), seed), BsrMeanByConvPass(), target=None)
    event("convolution" if any(isinstance(op, Conv2dOp) for op in module.walk()) else "quotient")


@pytest.mark.parametrize(("side", "scale"), [(7, 0.017), (14, 0.017), (2, 0.0031)], ids=str)
def test_the_array_computes_a_global_mean(side: int, scale: float) -> None:
    """Of four cells, and finer than they are, a sum is multiplied by more than 1."""
    shape = (24, side, side)
    module = mean(shape, (side, side), (Scaled(float(np.float32(0.021)), -128), Scaled(float(np.float32(scale)), -5)))
    legalise = (BsrMeanByConvPass(), BsrScaledOnHostPass(), BsrUnfitOnHostPass(target="npu1"))
    same_before_and_after(module, values_of(shape, 1), *legalise)
    assert "mem.launch" in {op.name for op in module.walk()}
    assert "mem.host" not in {op.name for op in module.walk()}


@pytest.mark.parametrize(
    ("kernel", "pads", "scale"),
    [
        ((15, 14), (0, 0, 0, 0), 0.021),  # 210 cells
        ((3, 3), (1, 1, 1, 1), 0.021),  # 4, 6 or 9 cells
        ((2, 3), (0, 0, 0, 0), 0.25),  # a sixth of 3 is a tie, and no multiplier is a sixth
    ],
)
def test_a_mean_that_no_multiplier_computes_stays(
    kernel: tuple[int, int], pads: tuple[int, int, int, int], scale: float
) -> None:
    scaled = Scaled(float(np.float32(scale)), 3)
    module = mean((8, 15, 15), kernel, (scaled, scaled), pads=pads)
    BsrMeanByConvPass().apply(Context(), module)
    assert any(isinstance(op, AvgPoolOp) for op in module.walk())
    assert not any(isinstance(op, Conv2dOp | PadOp) for op in module.walk())
