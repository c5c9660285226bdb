"""
The types of the `bsr` level: builtin int8 tensors whose encoding says what the integers mean.

    tensor<1x64x56x56xi8, #bsr.fixed<5>>                a map: real = q * 2**-5, logical NCHW, N = 1
    tensor<64x64x3x3xi8, #bsr.blocks<7, 31 of 64>>      at position 7; 31 of 64 blocks (8 outputs x 8 inputs) stored

An encoding, not a new type: shape and element type stay those of a tensor that every tool understands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

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
class Blocks:
    """Position of the weights and how many of their blocks hold anything."""

    position: int
    non_zero: int
    total: int


@irdl_attr_definition
class BlocksAttr(Data[Blocks]):
    """`#bsr.blocks<7, 31 of 64>`: weights at position 7, 31 of 64 blocks stored."""

    name = "bsr.blocks"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Blocks:
        with parser.in_angle_brackets():
            position = parser.parse_integer(allow_boolean=False)
            parser.parse_punctuation(",")
            non_zero = parser.parse_integer(allow_boolean=False, allow_negative=False)
            parser.parse_keyword("of")
            return Blocks(position, non_zero, parser.parse_integer(allow_boolean=False, allow_negative=False))

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{self.data.position}, {self.data.non_zero} of {self.data.total}")

    def verify(self) -> None:
        if self.data.position not in POSITIONS:
            raise VerifyException(f"position {self.data.position} lies outside {POSITIONS.start}..{POSITIONS.stop - 1}")
        if not 0 <= self.data.non_zero <= self.data.total:
            raise VerifyException(f"{self.data.non_zero} non-zero blocks of {self.data.total} cannot be")


def fixed_type(shape: Sequence[int], position: int) -> FixedTensorType:
    """`tensor<shape x i8, #bsr.fixed<position>>`."""
    return TensorType(i8, shape, FixedAttr(position))


def weights_type(shape: Sequence[int], position: int, non_zero: int) -> FixedTensorType:
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
            return type.encoding.data.position
    raise VerifyException(f"{type} has no position; a fixed-point tensor carries #bsr.fixed or #bsr.blocks")


def is_fixed(type: Attribute) -> bool:
    """Whether `type` is a map in fixed point."""
    return isinstance(type, TensorType) and isinstance(type.encoding, FixedAttr)


def element_type_of(type: Attribute) -> Attribute | None:
    """Element type of a tensor type, None for other types."""
    return cast("TensorType[Attribute]", type).element_type if isinstance(type, TensorType) else None


def shape_of(type: Attribute) -> tuple[int, ...]:
    """Shape of a ranked tensor type."""
    if not isinstance(type, TensorType):
        raise VerifyException(f"{type} is not a ranked tensor")
    return cast("TensorType[Attribute]", type).get_shape()


@dataclass(frozen=True)
class EncodedTensorConstraint(AttrConstraint[FixedTensorType]):
    """An int8 tensor of static shape with the given encoding and one of the given ranks."""

    encoding: type[FixedAttr | BlocksAttr]
    ranks: tuple[int, ...]

    def verify(self, attr: Attribute, constraint_context: VerificationContext) -> None:
        tensor = cast("TensorType[Attribute]", attr) if isinstance(attr, TensorType) else None
        if tensor is None or not isinstance(tensor.encoding, self.encoding) or tensor.element_type != i8:
            raise VerifyException(f"expected tensor<…xi8, #{self.encoding.name}<…>>, got {attr}")
        shape = tensor.get_shape()
        if len(shape) not in self.ranks:
            raise VerifyException(f"expected rank {' or '.join(map(str, self.ranks))}, got {attr}")
        if min(shape, default=1) < 1:
            raise VerifyException(f"expected positive dimensions, got {attr}")
        if self.encoding is FixedAttr and shape and shape[0] != 1:
            raise VerifyException(f"expected batch 1, got {attr}")

    def get_bases(self) -> set[type[Attribute]]:
        return {TensorType}

    def mapping_type_vars(
        self, type_var_mapping: Mapping[TypeVar, AttrConstraint | IntConstraint]
    ) -> EncodedTensorConstraint:
        return self


MAP = EncodedTensorConstraint(FixedAttr, (4,))
VECTOR_OR_MAP = EncodedTensorConstraint(FixedAttr, (2, 4))
WEIGHTS = EncodedTensorConstraint(BlocksAttr, (4,))


def int_array(values: Sequence[int]) -> DenseArrayBase[IntegerType]:
    """`array<i64: …>`."""
    return DenseArrayBase.from_list(i64, list(values))
