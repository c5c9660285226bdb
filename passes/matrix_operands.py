"""
Operands of matrix products: tokens as maps of one row, however many heads and whichever nodes brought them there.

    a tensor … x T x C     matrices of T rows and C columns, one for each head
    its map                1 x (heads · C) x 1 x T: rows are pixels, columns are channels, head by head

Between a dense layer and Q·Kᵀ models reshape and transpose: 1xTx(H·C) → 1xTxHxC → 1xHxTxC, for keys on to 1xHxCxT. The
places of the elements go through such nodes (`dialects.onnx_moves`), and where a source's map has the same elements in
the same places, or some of its channels, it is the operand, and nothing moves. So does the map of the transposed
matrices, which `bsr.matmul` takes as its second operand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from dialects.bsr import Conv2dOp, TransposeOp, WeightsOp, encoding_of, shape_of
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_moves import MOVES, move
from dialects.onnx_window import shape_of_value
from passes.fixed_point_operands import Operands
from passes.fixed_point_values import Unrepresentable, linear_encoding
from passes.regular_moves import LARGEST_MAP

_LONGEST = 16
"""Nodes between a dense layer and the product, with those that quantise in between."""

Number = TypeVar("Number", bound=np.integer[Any])
Stack = tuple[int, int, int]
"""Matrices, rows of each, columns of each."""


def stack_of(shape: tuple[int, ...]) -> Stack:
    """A tensor as matrices."""
    return prod(shape[:-2]), shape[-2], shape[-1]


@dataclass(frozen=True)
class _Origin:
    """A value of the graph whose map holds the matrices that are asked for, in some of its channels."""

    value: SSAValue
    stack: Stack
    """How its map sees it."""
    channels: tuple[int, ...]
    quantised: tuple[OnnxOp, ...]
    """QuantizeLinear nodes on the way; they change nothing if all have the scale of the value."""
    transposed: bool


def operand_map(operands: Operands, value: SSAValue, stack: Stack, node: OnnxOp, *, key: str) -> SSAValue:
    """The map of the matrices `stack` that `value` holds; `key` names weights that take some channels of another."""
    found = _first(operands, value, stack, node, key, transposable=False)
    return found[0]


def right_operand(
    operands: Operands, value: SSAValue, stack: Stack, node: OnnxOp, *, key: str
) -> tuple[SSAValue, bool]:
    """The same, or the map of the transposed matrices and True, whichever is nearer to how the elements lie."""
    return _first(operands, value, stack, node, key, transposable=True)


def constant_map(integers: npt.NDArray[Number], shape: tuple[int, ...]) -> npt.NDArray[Number]:
    """The map of the matrices of a constant that is repeated to a `shape`."""
    heads, rows, columns = stack_of(shape)
    matrices = np.broadcast_to(integers, shape).reshape(heads, rows, columns)
    return np.ascontiguousarray(matrices.transpose(0, 2, 1)).reshape(1, heads * columns, 1, rows)


def tensor_of(operands: Operands, map: SSAValue, heads: int, shape: tuple[int, ...], node: OnnxOp) -> SSAValue:
    """The tensor of a `shape` whose matrices a map holds."""
    _, channels, _, pixels = shape_of(map.type)
    return operands.emit(TransposeOp(map, (heads, channels // heads, pixels), (0, 2, 1), shape), node)


def _first(
    operands: Operands, value: SSAValue, stack: Stack, node: OnnxOp, key: str, *, transposable: bool
) -> tuple[SSAValue, bool]:
    """From the origin that is furthest away of those that are int8 maps."""
    refused: Unrepresentable | None = None
    for origin in reversed(list(_origins(value, stack))):
        if origin.transposed and not transposable:
            continue
        emitted = len(operands.emitted)
        try:
            return _taken(operands, origin, node, key), origin.transposed
        except Unrepresentable as reason:
            operands.withdraw(emitted)
            refused = reason
    raise refused or Unrepresentable(f"{node.describe()} has matrices of more than {LARGEST_MAP} elements")


def _taken(operands: Operands, origin: _Origin, node: OnnxOp, key: str) -> SSAValue:
    source = operands.map(origin.value)
    encoding = encoding_of(source.type)
    if any(linear_encoding(quantize) != encoding for quantize in origin.quantised):
        raise Unrepresentable(f"the nodes before {node.describe()} have different scales")
    heads, rows, columns = origin.stack
    channels = heads * columns
    whole = operands.emit(TransposeOp(source, (heads, rows, columns), (0, 2, 1), (1, channels, 1, rows)), node)
    if origin.channels == tuple(range(channels)):
        return whole
    ones = np.zeros((len(origin.channels), channels, 1, 1), np.int8)
    ones[np.arange(len(ones)), list(origin.channels)] = 1
    constant = operands.emit(WeightsOp.of_ones(ones, encoding, key), node)
    return operands.emit(Conv2dOp(whole, constant, encoding), node)


def _origins(value: SSAValue, stack: Stack) -> Iterator[_Origin]:
    """`value` itself, then what it was before the nodes that move its elements, as far as maps hold the matrices."""
    path: list[SSAValue] = []
    quantised: list[OnnxOp] = []
    current = value
    for _ in range(_LONGEST):
        yield from _same_elements(path, current, stack, tuple(quantised))
        node = current.owner
        if not isinstance(node, OnnxOp):
            return
        if is_operator(node, *MOVES):
            path.append(current)
        elif is_operator(node, "QuantizeLinear"):
            quantised.append(node)
        elif not is_operator(node, "DequantizeLinear"):
            return
        current = node.inputs[0]


def _same_elements(
    path: list[SSAValue], source: SSAValue, stack: Stack, quantised: tuple[OnnxOp, ...]
) -> Iterator[_Origin]:
    """`source` if its map has the matrices of what comes of it through `path`, or the transposed ones."""
    shape = shape_of_value(source)
    if shape is None or not shape or 0 in shape or prod(shape) > LARGEST_MAP:
        return
    # the last one is the first that is taken: matrices as they are
    for transposed in (True, False):
        for own in _stacks(shape):
            channels = _channels(path, shape, own, stack, transposed=transposed)
            if channels is not None:
                yield _Origin(source, own, channels, quantised, transposed)


def _stacks(shape: tuple[int, ...]) -> list[Stack]:
    """A tensor as matrices, and as one matrix of all their rows."""
    heads, rows, columns = stack_of(shape if len(shape) > 1 else (1, *shape))
    return [(heads, rows, columns), (1, heads * rows, columns)][: 1 if heads == 1 else 2]


def _channels(
    path: list[SSAValue], shape: tuple[int, ...], own: Stack, wanted: Stack, *, transposed: bool
) -> tuple[int, ...] | None:
    """Which channels of the map of `own` matrices hold the `wanted` ones that come of them through `path`."""
    heads, rows, columns = own
    # of each element the place in the map: channel after channel, pixel by pixel
    places = np.arange(heads * columns * rows).reshape(heads, columns, rows).transpose(0, 2, 1).reshape(shape)
    for each in reversed(path):
        moved = move(each, places)
        if moved is None:
            return None
        places = moved
    if places.size != prod(wanted):
        return None
    matrices = places.reshape(wanted)
    return _channels_of(matrices.transpose(0, 2, 1) if transposed else matrices, rows)


def _channels_of(matrices: npt.NDArray[np.int64], pixels: int) -> tuple[int, ...] | None:
    """The channel of each column, head by head, where every row is its pixel; None if rows or columns are mixed."""
    channels, pixel = matrices // pixels, matrices % pixels
    rows = np.arange(matrices.shape[1], dtype=np.int64)[:, None]
    if matrices.shape[1] != pixels or (pixel != rows).any() or (channels != channels[:, :1]).any():
        return None
    return tuple(channels[:, 0].reshape(-1).tolist())
