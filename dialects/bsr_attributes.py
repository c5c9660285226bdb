"""
The types of the `bsr` level: builtin int8 tensors whose encoding says what the integers mean.

    tensor<1x64x56x56xi8, #bsr.fixed<5>>                a map: real = q * 2**-5, logical NCHW, N = 1
    tensor<1x64x56x56xi8, #bsr.scaled<2.35e-02, -3>>    a map: real = (q + 3) * 0.0235, the scale a float32
    tensor<64x64x3x3xi8, #bsr.blocks<7, 31 of 64>>      at position 7; 31 of 64 blocks (8 outputs x 8 inputs) stored
    tensor<64x64x3x3xi8, #bsr.blocks<scaled, 31 of 64>> weights with a scale for every output channel

An encoding, not a new type: shape and element type stay those of a tensor that every tool understands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias, cast

import numpy as np
from typing_extensions import TypeVar
from xdsl.dialects.builtin import DenseArrayBase, IntegerType, TensorType, i8, i64
from xdsl.ir import Attribute, Data
from xdsl.irdl import AttrConstraint, IntConstraint, VerificationContext, irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

BLOCK = 8
"""Channels of a block, in both directions: the array's int8 matrix unit multiplies 4x8 by 8x8."""

POSITIONS = range(-32, 33)
"""Binary positions that 64-bit arithmetic carries without care; models stay within about -8 to 20."""

Rounding: TypeAlias = Literal["half_even", "half_up"]
FixedTensorType: TypeAlias = TensorType[IntegerType]


@irdl_attr_definition
class FixedAttr(Data[int]):
    """`#bsr.fixed<5>`: the tensor's real values are its integers times 2**-5."""

    name = "bsr.fixed"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> int:
        with parser.in_angle_brackets():
            return parser.parse_integer(allow_boolean=False)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(str(self.data))

    def verify(self) -> None:
        if self.data not in POSITIONS:
            raise VerifyException(f"position {self.data} lies outside {POSITIONS.start}..{POSITIONS.stop - 1}")


@dataclass(frozen=True)
class Scaled:
    """A scale, which is a positive float32, and the integer that means zero."""

    scale: float
    zero_point: int


@irdl_attr_definition
class ScaledAttr(Data[Scaled]):
    """`#bsr.scaled<2.5e-01, -3>`: the tensor's real values are (its integers + 3) times 0.25."""

    name = "bsr.scaled"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Scaled:
        with parser.in_angle_brackets():
            scale = parser.parse_float()
            parser.parse_punctuation(",")
            return Scaled(scale, parser.parse_integer(allow_boolean=False))

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{np.format_float_scientific(self.data.scale, trim='0')}, {self.data.zero_point}")

    def verify(self) -> None:
        scale = self.data.scale
        if not 0 < scale < float("inf") or float(np.float32(scale)) != scale:
            raise VerifyException(f"the scale {scale} is no positive float32")
        if not -128 <= self.data.zero_point <= 127:
            raise VerifyException(f"the zero-point {self.data.zero_point} is no int8")


Encoding: TypeAlias = FixedAttr | ScaledAttr


@dataclass(frozen=True)
class Blocks:
    """Position of the weights, None if their channels have scales, and how many of their blocks hold anything."""

    position: int | None
    non_zero: int
    total: int


@irdl_attr_definition
class BlocksAttr(Data[Blocks]):
    """`#bsr.blocks<7, 31 of 64>`: weights at position 7, 31 of 64 blocks stored."""

    name = "bsr.blocks"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Blocks:
        with parser.in_angle_brackets():
            scaled = parser.parse_optional_keyword("scaled") is not None
            position = None if scaled else parser.parse_integer(allow_boolean=False)
            parser.parse_punctuation(",")
            non_zero = parser.parse_integer(allow_boolean=False, allow_negative=False)
            parser.parse_keyword("of")
            return Blocks(position, non_zero, parser.parse_integer(allow_boolean=False, allow_negative=False))

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            position = "scaled" if self.data.position is None else self.data.position
            printer.print_string(f"{position}, {self.data.non_zero} of {self.data.total}")

    def verify(self) -> None:
        if self.data.position is not None and self.data.position not in POSITIONS:
            raise VerifyException(f"position {self.data.position} lies outside {POSITIONS.start}..{POSITIONS.stop - 1}")
        if not 0 <= self.data.non_zero <= self.data.total:
            raise VerifyException(f"{self.data.non_zero} non-zero blocks of {self.data.total} cannot be")


def fixed_type(shape: Sequence[int], position: int) -> FixedTensorType:
    """`tensor<shape x i8, #bsr.fixed<position>>`."""
    return TensorType(i8, shape, FixedAttr(position))


def map_type(shape: Sequence[int], encoding: int | Encoding) -> FixedTensorType:
    """`tensor<shape x i8, encoding>`; a number is a binary position."""
    return TensorType(i8, shape, FixedAttr(encoding) if isinstance(encoding, int) else encoding)


def weights_type(shape: Sequence[int], position: int | None, non_zero: int) -> FixedTensorType:
    """`tensor<OxIxKHxKWxi8, #bsr.blocks<position, non_zero of …>>`."""
    return TensorType(i8, shape, BlocksAttr(Blocks(position, non_zero, blocks_of(shape[0]) * blocks_of(shape[1]))))


def blocks_of(channels: int) -> int:
    """Blocks that hold `channels`; the last may be ragged and is padded with zeros."""
    return -(-channels // BLOCK)


def position_of(type: Attribute) -> int:
    """The binary position of a map's or of weights' type."""
    if isinstance(type, TensorType):
        if isinstance(type.encoding, FixedAttr):
            return type.encoding.data
        if isinstance(type.encoding, BlocksAttr):
            position = type.encoding.data.position
            if position is not None:
                return position
    raise VerifyException(f"{type} has no position; a fixed-point tensor carries #bsr.fixed or #bsr.blocks")


def encoding_of(type: Attribute) -> Encoding:
    """What the integers of a map mean."""
    if isinstance(type, TensorType) and isinstance(type.encoding, FixedAttr | ScaledAttr):
        return type.encoding
    raise VerifyException(f"{type} is no map; a map carries #bsr.fixed or #bsr.scaled")


def scale_of(type: Attribute) -> float:
    """The real value of one step of a map, exactly."""
    encoding = encoding_of(type)
    return 2.0**-encoding.data if isinstance(encoding, FixedAttr) else encoding.data.scale


def zero_point_of(type: Attribute) -> int:
    """The integer that means zero in a map."""
    encoding = encoding_of(type)
    return 0 if isinstance(encoding, FixedAttr) else encoding.data.zero_point


def is_fixed(type: Attribute) -> bool:
    """Whether `type` is a map in fixed point."""
    return isinstance(type, TensorType) and isinstance(type.encoding, FixedAttr)


def is_scaled(type: Attribute) -> bool:
    """Whether `type` is a map with a general scale, or weights with a scale for each output channel."""
    if not isinstance(type, TensorType):
        return False
    encoding = type.encoding
    return isinstance(encoding, ScaledAttr) or (isinstance(encoding, BlocksAttr) and encoding.data.position is None)


def is_map(type: Attribute) -> bool:
    """Whether `type` is a map of this level, whatever its integers mean."""
    return isinstance(type, TensorType) and isinstance(type.encoding, FixedAttr | ScaledAttr)


def element_type_of(type: Attribute) -> Attribute | None:
    """Element type of a tensor type, None for other types."""
    return cast("TensorType[Attribute]", type).element_type if isinstance(type, TensorType) else None


def shape_of(type: Attribute) -> tuple[int, ...]:
    """Shape of a ranked tensor type."""
    if not isinstance(type, TensorType):
        raise VerifyException(f"{type} is not a ranked tensor")
    return cast("TensorType[Attribute]", type).get_shape()


def as_map(shape: Sequence[int]) -> tuple[int, int, int]:
    """Channels, rows and columns of a tensor in memory: of 1xCxHxW its own; any other is one pixel, all channels."""
    if len(shape) == 4 and shape[0] == 1:
        return shape[1], shape[2], shape[3]
    return prod(shape), 1, 1


@dataclass(frozen=True)
class EncodedTensorConstraint(AttrConstraint[FixedTensorType]):
    """An int8 tensor of static shape with the given encoding and one of the given ranks; of any rank without."""

    encodings: tuple[type[FixedAttr | ScaledAttr | BlocksAttr], ...]
    ranks: tuple[int, ...] = ()

    def verify(self, attr: Attribute, constraint_context: VerificationContext) -> None:
        tensor = cast("TensorType[Attribute]", attr) if isinstance(attr, TensorType) else None
        if tensor is None or not isinstance(tensor.encoding, self.encodings) or tensor.element_type != i8:
            wanted = " or ".join(f"#{encoding.name}<…>" for encoding in self.encodings)
            raise VerifyException(f"expected tensor<…xi8, {wanted}>, got {attr}")
        shape = tensor.get_shape()
        if self.ranks and len(shape) not in self.ranks:
            raise VerifyException(f"expected rank {' or '.join(map(str, self.ranks))}, got {attr}")
        if min(shape, default=1) < 1:
            raise VerifyException(f"expected positive dimensions, got {attr}")
        if self.ranks and FixedAttr in self.encodings and shape[0] != 1:
            raise VerifyException(f"expected batch 1, got {attr}")

    def get_bases(self) -> set[type[Attribute]]:
        return {TensorType}

    def mapping_type_vars(
        self, type_var_mapping: Mapping[TypeVar, AttrConstraint | IntConstraint]
    ) -> EncodedTensorConstraint:
        return self


MAP = EncodedTensorConstraint((FixedAttr, ScaledAttr), (4,))
VECTOR_OR_MAP = EncodedTensorConstraint((FixedAttr, ScaledAttr), (2, 4))
TENSOR = EncodedTensorConstraint((FixedAttr, ScaledAttr))
"""Of any shape: what works element by element takes it."""
WEIGHTS = EncodedTensorConstraint((BlocksAttr,), (4,))


def int_array(values: Sequence[int]) -> DenseArrayBase[IntegerType]:
    """`array<i64: …>`."""
    return DenseArrayBase.from_list(i64, list(values))
