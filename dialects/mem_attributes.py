"""
Attributes and types of the `mem` level: where a buffer lies, and the n-d pattern in which its words are visited.

    !mem.buffer<memtile>
    #mem.window<2, 1024 [<14, 896>, <8, 112>, <56, 2>, <2, 1>]>                  in column 2, from word 1024
    #mem.window<2, 1024 [<8, 112>, <56, 2> pad <1, 1>, <2, 1>] x <4, 896>>    zeros around each row; 4 runs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, DictionaryAttr, IntegerAttr, IntegerType, i64
from xdsl.ir import Data, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.str_enum import StrEnum

from compiler.transfers.window import Window


class Space(StrEnum):
    """A memory that buffers are placed in."""

    DDR = "ddr"
    MEMTILE = "memtile"


@irdl_attr_definition
class BufferType(Data[Space], TypeAttribute):
    """`!mem.buffer<memtile>`: a handle to placed memory; the op that makes it says where."""

    name = "mem.buffer"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Space:
        with parser.in_angle_brackets():
            return parser.parse_str_enum(Space)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(self.data.value)


DDR = BufferType(Space.DDR)
MEMTILE = BufferType(Space.MEMTILE)


@irdl_attr_definition
class TokenType(ParametrizedAttribute, TypeAttribute):
    """`!mem.token`: something that runs on by itself and can be waited for."""

    name = "mem.token"


def _parse_pair(parser: AttrParser) -> tuple[int, int]:
    with parser.in_angle_brackets():
        first = parser.parse_integer(allow_boolean=False)
        parser.parse_punctuation(",")
        return first, parser.parse_integer(allow_boolean=False)


@irdl_attr_definition
class WindowAttr(Data[Window]):
    """A `compiler.transfers.window.Window`; its docstring is the meaning."""

    name = "mem.window"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Window:
        dimensions: list[tuple[tuple[int, int], tuple[int, int]]] = []

        def dimension() -> None:
            pair = _parse_pair(parser)
            padded = parser.parse_optional_keyword("pad") is not None
            dimensions.append((pair, _parse_pair(parser) if padded else (0, 0)))

        with parser.in_angle_brackets():
            column = parser.parse_integer(allow_boolean=False)
            parser.parse_punctuation(",")
            offset = parser.parse_integer(allow_boolean=False)
            parser.parse_comma_separated_list(parser.Delimiter.SQUARE, dimension)
            iterated = parser.parse_optional_keyword("x") is not None
            wrap, step = _parse_pair(parser) if iterated else (1, 0)
        pads = tuple(pad for _, pad in dimensions)
        return Window(
            column,
            offset,
            tuple(size for (size, _), _ in dimensions),
            tuple(stride for (_, stride), _ in dimensions),
            pads if any(pad != (0, 0) for pad in pads) else (),
            wrap,
            step,
        )

    def print_parameter(self, printer: Printer) -> None:
        window = self.data
        pads = window.padding or ((0, 0),) * len(window.sizes)
        dimensions = [
            f"<{size}, {stride}>" + (f" pad <{pad[0]}, {pad[1]}>" if pad != (0, 0) else "")
            for size, stride, pad in zip(window.sizes, window.strides, pads, strict=True)
        ]
        with printer.in_angle_brackets():
            printer.print_string(f"{window.column}, {window.offset} [{', '.join(dimensions)}]")
            if window.wrap > 1:
                printer.print_string(f" x <{window.wrap}, {window.step}>")


def windows_attr(windows: Sequence[Window]) -> ArrayAttr[WindowAttr]:
    """`[#mem.window<…>, …]`."""
    return ArrayAttr([WindowAttr(window) for window in windows])


def windows_of(attribute: ArrayAttr[WindowAttr]) -> tuple[Window, ...]:
    """The windows of `windows_attr`."""
    return tuple(window.data for window in attribute.data)


def integers_attr(values: Sequence[int]) -> DenseArrayBase[IntegerType]:
    """`array<i64: …>`."""
    return DenseArrayBase.from_list(i64, list(values))


def integers_of(attribute: DenseArrayBase[IntegerType]) -> tuple[int, ...]:
    """Values of `integers_attr`."""
    return attribute.get_values()


def named_integers_attr(values: Mapping[str, int]) -> DictionaryAttr:
    """`{rows = 14 : i64, …}`."""
    return DictionaryAttr({name: IntegerAttr(value, i64) for name, value in values.items()})


def named_integers_of(attribute: DictionaryAttr) -> dict[str, int]:
    """Values of `named_integers_attr`."""
    return {name: cast("IntegerAttr[IntegerType]", value).value.data for name, value in attribute.data.items()}
