"""
Which operations of the `bsr` level are compiled, and as which call of which code on which maps.

An operation that is not compiled has a reason, a sentence; it is interpreted, so its numbers are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.ir import Block, Operation, SSAValue

from compiler.native.calls import Call, Code, Layouts, first_pixel, strides_of
from compiler.native.conv import ConvCode, Narrowing, Scaling, Skip
from compiler.native.dot_products import DotProducts
from compiler.native.entries import entries_of, scales_of
from compiler.native.layout import CHANNELS, HALF, NO_PADS, Layout, Pads
from compiler.native.lookup import LookupCode, stored_table
from compiler.native.pair_calls import extremum_calls, product_calls, sum_calls
from compiler.native.pointwise import CopyCode, ScaledSumCode, Term
from compiler.native.pools import AvgPoolCode, MaxPoolCode, Windows
from compiler.quantization.arithmetic import INT8_RANGE
from compiler.quantization.scaling import multipliers
from dialects.bsr import (
    AddOp,
    AppendOp,
    AvgPoolOp,
    BsrOp,
    ClampOp,
    ConcatOp,
    Conv2dOp,
    GemmOp,
    HostOp,
    InterleaveOp,
    LutOp,
    MaxOp,
    MaxPoolOp,
    MinOp,
    MulOp,
    RequantiseOp,
    ReshapeOp,
    SubOp,
    contraction_multipliers,
    encoding_of,
    position_of,
    scale_of,
    shape_of,
    zero_point_of,
)


def why_interpreted(op: BsrOp) -> str | None:
    """Why an operation is not compiled; None if it is."""
    if isinstance(op, HostOp):
        return op.reason.data
    if op.is_scaled and isinstance(op, AvgPoolOp):
        return "the mean of a map whose scale is no power of two is divided in 64 bits"
    if isinstance(op, ReshapeOp) and _plain_layout(op.input) != _plain_layout(op.result):
        return "it moves values between channels and pixels"
    if isinstance(op, ConcatOp) and any(_plain_layout(value).channels % CHANNELS for value in list(op.inputs)[:-1]):
        return f"an operand ends within a block of {CHANNELS} channels"
    if type(op) not in _CALLS:
        return f"there is no code for '{op.name}'"
    return None


def _plain_layout(value: SSAValue) -> Layout:
    return Layout.of_shape(shape_of(value.type))


def border_of(op: Operation, operand: int) -> Pads:
    """The border that a compiled operation wants around an operand."""
    return op.pads if isinstance(op, Conv2dOp) and operand == 0 else NO_PADS


def pixel_bytes_of(value: SSAValue) -> int:
    """Of a map that compiled operations read: two pixels share a block if all of those are convolutions."""
    made = value.owner
    given = isinstance(made, Block) or (isinstance(made, BsrOp) and why_interpreted(made) is not None)
    readers = [use.operation for use in value.uses]
    compiled = [op for op in readers if isinstance(op, BsrOp) and why_interpreted(op) is None]
    narrow = all(isinstance(op, Conv2dOp) and op.input is value is not op.skip for op in compiled)
    neighbours = all(isinstance(op, Conv2dOp) and op.dilations[1] == 1 for op in compiled)
    return HALF if given and _plain_layout(value).channels <= HALF and narrow and neighbours else CHANNELS


def calls_of(op: BsrOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    """The calls that compute a compiled operation."""
    return _CALLS[type(op)](op, layouts, dots)


def _conv2d(op: Conv2dOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    source, result = layouts[op.input], layouts[op.result]
    places = [(op.input, source.pixel(-op.pads[0], -op.pads[1])), first_pixel(layouts, op.result)]
    skip: Skip | None = None
    narrowing, scales = _narrowing(op, result.blocks)
    if op.skip is not None:
        positions = op.inner_position, position_of(op.skip.type)
        finer = max(positions)
        narrowing = Narrowing(op.shift, op.inner_clamp)
        total = Narrowing(finer - position_of(op.result.type), op.clamp)
        skip = Skip(*strides_of(layouts[op.skip])[1:], finer - positions[0], finer - positions[1], total)
    places.append(places[1] if op.skip is None else first_pixel(layouts, op.skip))
    code = ConvCode(
        rows=result.rows,
        columns=result.columns,
        blocks=result.blocks,
        input_row=op.strides[0] * source.row_bytes,
        input_column=op.strides[1] * source.pixel_bytes,
        output_row=result.row_bytes,
        output_block=result.block_bytes,
        narrowing=narrowing,
        rounding=op.rounding,
        skip=skip,
    )
    return [Call(code, tuple(places), (*entries_of(op.weights_op(), source, op.dilations, dots).arrays, scales))]


def _narrowing(op: Conv2dOp | GemmOp, blocks: int) -> tuple[Narrowing | Scaling, npt.NDArray[np.int64]]:
    """How sums become int8, and the numbers of every channel that takes."""
    if not op.is_scaled:
        return Narrowing(op.shift, op.clamp), np.zeros(0, np.int64)
    scales = scales_of(contraction_multipliers(op), op.rounding, blocks)
    return Scaling(zero_point_of(op.result.type), op.clamp), scales


def _gemm(op: GemmOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    source, result = layouts[op.input], layouts[op.result]
    narrowing, scales = _narrowing(op, result.blocks)
    code = ConvCode(
        rows=1,
        columns=1,
        blocks=result.blocks,
        input_row=source.row_bytes,
        input_column=CHANNELS,
        output_row=result.row_bytes,
        output_block=result.block_bytes,
        narrowing=narrowing,
        rounding=op.rounding,
        skip=None,
    )
    output = first_pixel(layouts, op.result)
    places = (first_pixel(layouts, op.input), output, output)
    return [Call(code, places, (*entries_of(op.weights_op(), source, (1, 1), dots).arrays, scales))]


def _windows(op: MaxPoolOp | AvgPoolOp, layouts: Layouts) -> Windows:
    source, result = layouts[op.input], layouts[op.result]
    return Windows(
        blocks=result.blocks,
        size=(source.rows, source.columns),
        result=(result.rows, result.columns),
        kernel=op.kernel,
        strides=op.strides,
        pads=op.pads,
        input_row=source.row_bytes,
        input_block=source.block_bytes,
        output_row=result.row_bytes,
        output_block=result.block_bytes,
    )


def _max_pool(op: MaxPoolOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    places = (first_pixel(layouts, op.input), first_pixel(layouts, op.result))
    return [Call(MaxPoolCode(_windows(op, layouts), op.clamp), places)]


def _avg_pool(op: AvgPoolOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    shift = position_of(op.input.type) - position_of(op.result.type)
    code = AvgPoolCode(_windows(op, layouts), op.count_include_pad, shift, op.rounding, op.clamp)
    return [Call(code, (first_pixel(layouts, op.input), first_pixel(layouts, op.result)))]


def _copy(
    op: AppendOp | ConcatOp | InterleaveOp | RequantiseOp | ClampOp | ReshapeOp,
    source: SSAValue,
    layouts: Layouts,
    *,
    at: tuple[int, int, int] = (0, 0, 0),
    steps: tuple[int, int] = (1, 1),
) -> Call:
    """`source` into the result of `op`: from the block, row and column `at`, every so many rows and columns."""
    left, right = layouts[source], layouts[op.result]
    clamp = INT8_RANGE if isinstance(op, ReshapeOp) else op.clamp
    rounding = "half_even" if isinstance(op, ClampOp | ReshapeOp) else op.rounding
    pixel, row, block = strides_of(right)
    output = (steps[1] * pixel, steps[0] * row, block)
    shape = left.blocks, left.rows, left.columns
    code: Code
    if encoding_of(source.type) == encoding_of(op.result.type):
        code = CopyCode(*shape, strides_of(left), output, Narrowing(0, clamp), rounding)
    elif op.is_scaled:
        by = multipliers(np.array(scale_of(source.type)), scale_of(op.result.type))
        terms = (Term(strides_of(left), left.zero_point, int(by.factors)),)
        code = ScaledSumCode(*shape, terms, output, int(by.shifts), right.zero_point, clamp, rounding)
    else:
        narrowing = Narrowing(position_of(source.type) - position_of(op.result.type), clamp)
        code = CopyCode(*shape, strides_of(left), output, narrowing, rounding)
    return Call(code, (first_pixel(layouts, source), (op.result, right.pixel(*at[1:]) + at[0] * block)))


def _concat(op: ConcatOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    firsts = accumulate([layouts[source].blocks for source in op.inputs], initial=0)
    return [_copy(op, source, layouts, at=(block, 0, 0)) for source, block in zip(op.inputs, firsts, strict=False)]


def _append(op: AppendOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    return [_copy(op, source, layouts, at=(0, *pixel)) for source, pixel in zip(op.inputs, op.offsets, strict=True)]


def _interleave(op: InterleaveOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    placed = zip(op.inputs, op.offsets, strict=True)
    return [_copy(op, source, layouts, at=(0, *offset), steps=op.steps) for source, offset in placed]


def _change(op: RequantiseOp | ClampOp | ReshapeOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    return [_copy(op, op.input, layouts)]


def _lookup(op: LutOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    source, result = layouts[op.input], layouts[op.result]
    code = LookupCode(result.blocks, result.rows, result.columns, strides_of(source), strides_of(result))
    places = (first_pixel(layouts, op.input), first_pixel(layouts, op.result))
    return [Call(code, places, (stored_table(op.entries()),))]


_CALLS = cast(
    "dict[type[Operation], Callable[[Any, Layouts, DotProducts], list[Call]]]",
    {
        Conv2dOp: _conv2d,
        GemmOp: _gemm,
        MaxPoolOp: _max_pool,
        AvgPoolOp: _avg_pool,
        AppendOp: _append,
        ConcatOp: _concat,
        InterleaveOp: _interleave,
        RequantiseOp: _change,
        ClampOp: _change,
        LutOp: _lookup,
        ReshapeOp: _change,
        AddOp: sum_calls,
        SubOp: sum_calls,
        MulOp: product_calls,
        MaxOp: extremum_calls,
        MinOp: extremum_calls,
    },
)
