"""
Hypothesis strategies shared by all tests: allocation problems, chips, block masks, convolution shapes.

Values are built to be valid, never filtered, so that they shrink well. Networks are in `strategies_graphs`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compiler.allocation import Buffer, Problem
from compiler.hardware.chip import Chip, chip_named

BLOCK = 8


@st.composite
def allocation_buffers(draw: st.DrawFn, maximum: int = 24) -> tuple[Buffer, ...]:
    """Up to `maximum` buffers over a short schedule, with sizes from one byte to a few blocks and mixed alignments."""
    count = draw(st.integers(0, maximum))
    buffers: list[Buffer] = []
    for index in range(count):
        lower = draw(st.integers(0, 12))
        buffers.append(
            Buffer(
                name=f"b{index}",
                lower=lower,
                upper=lower + draw(st.integers(1, 6)),
                size=draw(st.integers(1, 300)),
                alignment=draw(st.sampled_from((1, 4, 32, 64))),
            )
        )
    return tuple(buffers)


@st.composite
def allocation_problems(draw: st.DrawFn) -> Problem:
    """A problem whose capacity certainly suffices: every buffer on its own aligned bytes."""
    buffers = draw(allocation_buffers())
    return Problem(buffers, capacity=sum(buffer.size + buffer.alignment for buffer in buffers))


def targets() -> st.SearchStrategy[str]:
    """Target names: one core first, then meshes of any shape up to 4x4, then the presets."""
    small = st.builds("mesh-{}x{}".format, st.integers(1, 4), st.integers(1, 4))
    return st.one_of(small, st.sampled_from(("npu1_1col", "npu1_2col", "npu1")))


def chips() -> st.SearchStrategy[Chip]:
    """The chips of `targets`."""
    return targets().map(chip_named)


def masks(output_blocks: int, input_blocks: int) -> st.SearchStrategy[npt.NDArray[np.bool_]]:
    """Γ for so many blocks: anything from empty to full, rows and columns without a block included."""
    return hnp.arrays(np.bool_, (output_blocks, input_blocks), elements=st.booleans())


@dataclass(frozen=True, eq=False)
class ConvolutionShape:
    """Everything about a convolution but its numbers; the output has at least one row and column."""

    input_channels: int
    output_channels: int
    height: int
    width: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    """Top, left, bottom, right, each smaller than the dilated kernel."""
    dilations: tuple[int, int]
    gamma: npt.NDArray[np.bool_]

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the output."""
        return self._outputs(self.height, axis=0), self._outputs(self.width, axis=1)

    def _outputs(self, size: int, axis: int) -> int:
        span = (self.kernel[axis] - 1) * self.dilations[axis] + 1
        return (size + self.pads[axis] + self.pads[axis + 2] - span) // self.strides[axis] + 1


@st.composite
def convolution_shapes(draw: st.DrawFn, channels: int = 24, side: int = 12) -> ConvolutionShape:
    """Odd sizes, ragged channel counts, asymmetric pads, strides larger than kernels: whatever ONNX allows."""
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    dilations = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    span = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    pads = tuple(draw(st.integers(0, span[axis] - 1)) for axis in (0, 1, 0, 1))
    inputs, outputs = draw(st.integers(1, channels)), draw(st.integers(1, channels))
    return ConvolutionShape(
        input_channels=inputs,
        output_channels=outputs,
        height=draw(st.integers(max(1, span[0] - pads[0] - pads[2]), side)),
        width=draw(st.integers(max(1, span[1] - pads[1] - pads[3]), side)),
        kernel=kernel,
        strides=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        pads=(pads[0], pads[1], pads[2], pads[3]),
        dilations=dilations,
        gamma=draw(masks(-(-outputs // BLOCK), -(-inputs // BLOCK))),
    )
