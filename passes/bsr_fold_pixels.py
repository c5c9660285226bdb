"""
Neighbouring pixels of a network's input become channels, so that a first convolution fills its blocks of 8 channels.

Before:

    %y = bsr.conv2d(%x, %w) {strides = array<i64: 2, 2>, pads = array<i64: 3, 3, 3, 3>}     7x7 on 3 channels

After:

    %f = bsr.host(%x) {operator = "Pad, Reshape, Transpose", reason = "…"}                  2 columns side by side
    %y = bsr.conv2d(%f, %v) {strides = array<i64: 2, 1>, pads = array<i64: 3, 2, 3, 1>}     7x4 on 6 channels

An image has 3 channels, and the array multiplies 8 of them at the price of 1. Along an axis whose stride is f times s,
output o looks at pixel o·f·s - pad + tap. With pad = f·p - r that is pixel f·(o·s - p) + (r + tap): cell o·s - p + j of
f pixels each, and the pixel q in it, where (j, q) = divmod(r + tap, f) does not depend on o. So a tap moves to tap j of
channels q, and the stride becomes s. Exact: the same products are summed, and zeros.

The host writes the input to memory anyway and reorders it on the way. A convolution whose input the array makes stays,
and so does one that would not have fewer taps: with stride 1 every other output would look at other pixels of a cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, NameLoc, NoneAttr, StringAttr
from xdsl.ir import Block, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern, op_type_rewrite_pattern

from dialects.bsr import BLOCK, Conv2dOp, HostOp, WeightsOp, fixed_type, position_of, shape_of
from passes.array_layers import name_of

_OPSET = 21
_IR_VERSION = 10


@dataclass(frozen=True)
class Axis:
    """One axis of a convolution, folded by `factor`."""

    factor: int
    cells: int
    """Size of the folded map."""
    size: int
    """Size of the map as it was."""
    stride: int
    pads: tuple[int, int]
    """Cells of zeros before and after."""
    taps: tuple[tuple[int, int], ...]
    """For each tap of the kernel, its new tap and the pixel within the cell."""

    @property
    def kernel(self) -> int:
        """Taps of the folded kernel."""
        return self.taps[-1][0] + 1


def fold_axis(size: int, outputs: int, kernel: int, stride: int, dilation: int, pad: int, factor: int) -> Axis | None:
    """An axis folded by a divisor of its stride; None if no window looks at the map itself."""
    before = -(-pad // factor)
    rest = factor * before - pad
    taps = tuple(divmod(rest + tap * dilation, factor) for tap in range(kernel))
    # the cells that windows span; what lies on the map behind them nobody looks at, and the host leaves it out
    end = (outputs - 1) * (stride // factor) - before + taps[-1][0] + 1
    cells = min(-(-size // factor), end)
    if cells < 1:
        return None
    return Axis(factor, cells, size, stride // factor, (before, end - cells), taps)


def _foldings(op: Conv2dOp) -> Iterator[tuple[Axis, Axis]]:
    """Every way to fold rows and columns into one block of channels, columns first."""
    _, channels, *sizes = shape_of(op.input.type)
    outputs = shape_of(op.result.type)[2:]
    ways = [[factor for factor in range(1, BLOCK + 1) if stride % factor == 0] for stride in op.strides]
    for factors in ((rows, columns) for rows in ways[0] for columns in ways[1]):
        if channels * prod(factors) > BLOCK:
            continue
        rows, columns = (
            fold_axis(sizes[i], outputs[i], op.kernel[i], op.strides[i], op.dilations[i], op.pads[i], factors[i])
            for i in (0, 1)
        )
        if rows is not None and columns is not None:
            yield rows, columns


def _best(op: Conv2dOp) -> tuple[Axis, Axis] | None:
    """The folding with the fewest taps, if they are fewer than those of the convolution."""
    best = min(_foldings(op), key=lambda axes: axes[0].kernel * axes[1].kernel, default=None)
    return best if best is not None and best[0].kernel * best[1].kernel < prod(op.kernel) else None


def folded_weights(dense: npt.NDArray[np.int8], rows: Axis, columns: Axis) -> npt.NDArray[np.int8]:
    """OxIxKHxKW weights for the folded map; its channels are [row in the cell][column in the cell][I]."""
    outputs, inputs = dense.shape[:2]
    shape = (outputs, rows.factor, columns.factor, inputs, rows.kernel, columns.kernel)
    folded = np.zeros(shape, np.int8)
    for old_row, (row, top) in enumerate(rows.taps):
        for old_column, (column, left) in enumerate(columns.taps):
            folded[:, top, left, :, row, column] = dense[:, :, old_row, old_column]
    return folded.reshape(outputs, -1, rows.kernel, columns.kernel)


def _model(channels: int, rows: Axis, columns: Axis) -> bytes:
    """An ONNX model that folds one int8 map; zeros fill its last cells, and a negative pad leaves pixels out."""
    added = [axis.cells * axis.factor - axis.size for axis in (rows, columns)]
    apart = [1, channels, rows.cells, rows.factor, columns.cells, columns.factor]
    folded = [1, channels * rows.factor * columns.factor, rows.cells, columns.cells]
    constants = {"pads": [0] * 6 + added, "apart": apart, "folded": folded}
    graph = helper.make_graph(
        [
            helper.make_node("Pad", ["x", "pads"], ["padded"]),
            helper.make_node("Reshape", ["padded", "apart"], ["cells"]),
            helper.make_node("Transpose", ["cells"], ["moved"], perm=[0, 3, 5, 1, 2, 4]),
            helper.make_node("Reshape", ["moved", "folded"], ["y"]),
        ],
        "fold_pixels",
        [helper.make_tensor_value_info("x", TensorProto.INT8, [1, channels, rows.size, columns.size])],
        [helper.make_tensor_value_info("y", TensorProto.INT8, folded)],
        [numpy_helper.from_array(np.array(values, np.int64), name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    return model.SerializeToString()


def _on_host(op: Conv2dOp, value: SSAValue, rows: Axis, columns: Axis) -> HostOp:
    """The map as the folded convolution reads it."""
    channels, name = shape_of(value.type)[1], f"{name_of(op, 'conv2d')}.folded"
    shape = (1, channels * rows.factor * columns.factor, rows.cells, columns.cells)
    host = HostOp(
        [value],
        [fixed_type(shape, position_of(value.type))],
        model=_model(channels, rows, columns),
        key=name,
        node=name,
        operator="Pad, Reshape, Transpose",
        reason=f"of {BLOCK} channels that the array multiplies at once the input has {channels}, so {rows.factor}x"
        f"{columns.factor} neighbouring pixels are written side by side",
    )
    host.location = NameLoc(StringAttr(name), NoneAttr())
    return host


class FoldPixels(RewritePattern):
    """One convolution of an input."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: Conv2dOp, rewriter: PatternRewriter) -> None:
        # A map of the array lies as the array wrote it
        if not isinstance(op.input.owner, Block | HostOp):
            return
        # The zeros of a general scale are zero-points, and its layers run on the host
        if op.is_scaled:
            return
        # The stride is 1, there are too many channels, or the kernel is as small
        if (axes := _best(op)) is None:
            return
        rows, columns = axes
        old = op.weights_op()
        host = _on_host(op, op.input, rows, columns)
        dense, key = folded_weights(old.dense(), rows, columns), f"{old.key or name_of(op, 'conv2d')}.folded"
        weights = WeightsOp.from_dense(dense, old.bias_values(), old.position, key)
        conv = Conv2dOp(
            host.outputs[0],
            weights.result,
            position_of(op.result.type),
            strides=(rows.stride, columns.stride),
            pads=(rows.pads[0], columns.pads[0], rows.pads[1], columns.pads[1]),
            clamp=op.clamp,
            rounding=op.rounding,
            skip=op.skip,
            inner_position=None if op.skip is None else op.inner_position,
            inner_clamp=op.inner_clamp,
        )
        conv.attributes |= op.attributes
        conv.location = op.location
        rewriter.replace(op, [host, weights, conv])
        if old.result.first_use is None:
            rewriter.erase(old)


@dataclass(frozen=True)
class BsrFoldPixelsPass(ModulePass):
    """Fold neighbouring pixels into the channels of strided convolutions that read an input. Changes no bit."""

    name = "bsr-fold-pixels"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        PatternRewriteWalker(FoldPixels(), apply_recursively=False).rewrite_module(op)
