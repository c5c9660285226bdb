"""
Which operations of the `bsr` level are compiled, and as which call of which code on which maps.

An operation that is not compiled has a reason, a sentence; it is interpreted, so its numbers are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
from xdsl.ir import Block, Operation, SSAValue

from compiler.jit.writer import Written
from compiler.native.conv import ConvCode, Narrowing, Scaling, Skip
from compiler.native.dot_products import DotProducts
from compiler.native.entries import entries_of, scales_of
from compiler.native.layout import CHANNELS, HALF, NO_PADS, Layout, Pads
from compiler.native.lookup import LookupCode, stored_table
from compiler.native.pointwise import CopyCode, ScaledSumCode, SumCode, Term
from compiler.native.pools import AvgPoolCode, MaxPoolCode, Windows
from compiler.native.products import ExtremumCode, Maps, ProductCode, ScaledProductCode
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
    ExtremumOp,
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
    SumOp,
    contraction_multipliers,
    encoding_of,
    position_of,
    scale_of,
    shape_of,
    zero_point_of,
)

Layouts = Mapping[SSAValue, Layout]


class Code(Protocol):
    """Functions to be compiled; equal ones are compiled once."""

    def write(self, name: str, dots: DotProducts) -> Written:
        """The LLVM text of the function `name`."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Call:
    """One call: places in maps, then constants."""

    code: Code
    places: tuple[tuple[SSAValue, int], ...]
    """A map and the bytes from its beginning."""
    constants: tuple[npt.NDArray[np.generic], ...] = field(default=(), compare=False)


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


def _first(layouts: Layouts, value: SSAValue) -> tuple[SSAValue, int]:
    return value, layouts[value].pixel(0, 0)


def _strides(layout: Layout) -> tuple[int, int, int]:
    return layout.pixel_bytes, layout.row_bytes, layout.block_bytes


def _conv2d(op: Conv2dOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    source, result = layouts[op.input], layouts[op.result]
    places = [(op.input, source.pixel(-op.pads[0], -op.pads[1])), _first(layouts, op.result)]
    skip: Skip | None = None
    narrowing, scales = _narrowing(op, result.blocks)
    if op.skip is not None:
        positions = op.inner_position, position_of(op.skip.type)
        finer = max(positions)
        narrowing = Narrowing(op.shift, op.inner_clamp)
        total = Narrowing(finer - position_of(op.result.type), op.clamp)
        skip = Skip(*_strides(layouts[op.skip])[1:], finer - positions[0], finer - positions[1], total)
    places.append(places[1] if op.skip is None else _first(layouts, op.skip))
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
    output = _first(layouts, op.result)
    places = (_first(layouts, op.input), output, output)
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
    places = (_first(layouts, op.input), _first(layouts, op.result))
    return [Call(MaxPoolCode(_windows(op, layouts), op.clamp), places)]


def _avg_pool(op: AvgPoolOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    shift = position_of(op.input.type) - position_of(op.result.type)
    code = AvgPoolCode(_windows(op, layouts), op.count_include_pad, shift, op.rounding, op.clamp)
    return [Call(code, (_first(layouts, op.input), _first(layouts, op.result)))]


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
    pixel, row, block = _strides(right)
    output = (steps[1] * pixel, steps[0] * row, block)
    shape = left.blocks, left.rows, left.columns
    code: Code
    if encoding_of(source.type) == encoding_of(op.result.type):
        code = CopyCode(*shape, _strides(left), output, Narrowing(0, clamp), rounding)
    elif op.is_scaled:
        by = multipliers(np.array(scale_of(source.type)), scale_of(op.result.type))
        terms = (Term(_strides(left), left.zero_point, int(by.factors)),)
        code = ScaledSumCode(*shape, terms, output, int(by.shifts), right.zero_point, clamp, rounding)
    else:
        narrowing = Narrowing(position_of(source.type) - position_of(op.result.type), clamp)
        code = CopyCode(*shape, _strides(left), output, narrowing, rounding)
    return Call(code, (_first(layouts, source), (op.result, right.pixel(*at[1:]) + at[0] * block)))


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


def _pair_maps(
    op: SumOp | MulOp | ExtremumOp, layouts: Layouts
) -> tuple[tuple[int, int, int], Maps, tuple[tuple[SSAValue, int], ...]]:
    """Blocks, rows and columns, the strides of both operands and the result, and where these begin."""
    values = (op.left, op.right, op.result)
    left, right, result = (_strides(layouts[value]) for value in values)
    whole = layouts[op.result]
    return (whole.blocks, whole.rows, whole.columns), (left, right, result), tuple(_first(layouts, v) for v in values)


def _sum(op: SumOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    shape, maps, places = _pair_maps(op, layouts)
    code: Code
    if op.is_scaled:
        factors, shift = op.multipliers()
        first, second = (layouts[value].zero_point for value in (op.left, op.right))
        terms = (Term(maps[0], first, factors[0]), Term(maps[1], second, op.SIGN * factors[1]))
        zero_point = layouts[op.result].zero_point
        code = ScaledSumCode(*shape, terms, maps[2], shift, zero_point, op.clamp, op.rounding)
    else:
        positions = position_of(op.left.type), position_of(op.right.type)
        finer = max(positions)
        shifts = finer - positions[0], finer - positions[1]
        narrowing = Narrowing(finer - position_of(op.result.type), op.clamp)
        code = SumCode(*shape, *maps, shifts, narrowing, op.rounding, op.SIGN)
    return [Call(code, places)]


def _product(op: MulOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    shape, maps, places = _pair_maps(op, layouts)
    if not op.is_scaled:
        return [Call(ProductCode(shape, maps, Narrowing(op.shift, op.clamp), op.rounding), places)]
    by, (left, right, result) = (
        op.multipliers(),
        (layouts[value].zero_point for value in (op.left, op.right, op.result)),
    )
    factor, shift = int(by.factors), int(by.shifts)
    return [Call(ScaledProductCode(shape, maps, (left, right, result), factor, shift, op.clamp, op.rounding), places)]


def _extremum(op: ExtremumOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    shape, maps, places = _pair_maps(op, layouts)
    return [Call(ExtremumCode(shape, maps, "max" if isinstance(op, MaxOp) else "min", op.clamp), places)]


def _lookup(op: LutOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    source, result = layouts[op.input], layouts[op.result]
    code = LookupCode(result.blocks, result.rows, result.columns, _strides(source), _strides(result))
    places = (_first(layouts, op.input), _first(layouts, op.result))
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
        AddOp: _sum,
        SubOp: _sum,
        MulOp: _product,
        MaxOp: _extremum,
        MinOp: _extremum,
    },
)
