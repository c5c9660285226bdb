"""
Attributes of the `aie` dialect: upstream's enumerations, descriptor shapes and packet headers.

Upstream stores an enumerator as an i32 and writes its name in the custom form (`DMA : 0`, `AcquireGreaterEqual`).
The same is done here, so the properties of our generic form are the ones upstream reads. A descriptor's dimensions
are one Python tuple inside one attribute, because a network has some ten thousand of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import ClassVar, cast

from xdsl.dialects.builtin import IntegerAttr, StringAttr, i32
from xdsl.ir import Attribute, Data, OpaqueSyntaxAttribute
from xdsl.irdl import IRDLOperation, irdl_attr_definition
from xdsl.irdl.declarative_assembly_format import (
    AttributeVariable,
    CustomDirective,
    ParsingState,
    PrintingState,
    irdl_custom_directive,
)
from xdsl.parser import AttrParser, Parser
from xdsl.printer import Printer


class WireBundle(IntEnum):
    """The kinds of ports of a tile that a stream can end at."""

    Core = 0
    DMA = 1
    FIFO = 2
    South = 3
    West = 4
    North = 5
    East = 6
    PLIO = 7
    NOC = 8
    Trace = 9
    TileControl = 10


class DMAChannelDir(IntEnum):
    """S2MM writes memory from the stream, MM2S reads memory into the stream."""

    S2MM = 0
    MM2S = 1


class LockAction(IntEnum):
    """What a core or a descriptor does to a counting semaphore."""

    Acquire = 0
    Release = 1
    AcquireGreaterEqual = 2


class LockBlocking(IntEnum):
    """Whether an acquire waits."""

    NonBlocking = 0
    Blocking = 1


class CascadeDir(IntEnum):
    """Side at which a cascade enters or leaves a core."""

    South = 3
    West = 4
    North = 5
    East = 6


class ObjectFifoPort(IntEnum):
    """End of an object FIFO."""

    Produce = 0
    Consume = 1


UPSTREAM_DEVICES: dict[str, int] = {
    "npu1": 4,
    "npu1_1col": 5,
    "npu1_2col": 6,
    "npu1_3col": 7,
    "npu2": 8,
    **{f"npu2_{columns}col": 8 + columns for columns in range(1, 8)},
}
"""Device enumerators of upstream commit 1e400306. A device not listed is ours, and upstream cannot read it."""

_DEVICE_NAMES = {number: name for name, number in UPSTREAM_DEVICES.items()}


@lru_cache(maxsize=4096)
def i32_attr(value: int) -> IntegerAttr:
    """`value : i32`; shared, since attributes are immutable and most of ours repeat."""
    return IntegerAttr(value, i32)


def device_attr(device: str) -> IntegerAttr | StringAttr:
    """Upstream's enumerator for a device it knows, otherwise the name itself."""
    number = UPSTREAM_DEVICES.get(device)
    return StringAttr(device) if number is None else i32_attr(number)


def device_name(device: Attribute) -> str:
    """Inverse of `device_attr`."""
    if isinstance(device, StringAttr):
        return device.data
    number = int_value(device)
    return _DEVICE_NAMES.get(number, f"unknown_{number}")


def int_value(attribute: Attribute) -> int:
    """Value of an IntegerAttr, whatever its type."""
    assert isinstance(attribute, IntegerAttr), f"expected an integer attribute, found {attribute}"
    return cast("IntegerAttr", attribute).value.data


def parse_enumerator(parser: Parser, enumeration: type[IntEnum]) -> IntegerAttr:
    """Parse the bare name of an enumerator into its i32."""
    return i32_attr(enumeration[parser.parse_keyword_in(tuple(enumeration.__members__))])


class _EnumDirective(CustomDirective):
    """Prints an i32 property as the name of its enumerator. Subclasses name the enumeration and the variable."""

    ENUMERATION: ClassVar[type[IntEnum]]
    attribute: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        self.attribute.set(state, parse_enumerator(parser, self.ENUMERATION))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        attribute = self.attribute.get(op)
        assert attribute is not None, f"{op.name} lacks '{self.attribute.name}'"
        state.print_whitespace(printer)
        printer.print_string(self.ENUMERATION(int_value(attribute)).name)
        state.should_emit_space = True
        state.last_was_punctuation = False


@irdl_custom_directive
class Bundle(_EnumDirective):
    """`DMA`"""

    ENUMERATION: ClassVar[type[IntEnum]] = WireBundle
    attribute: AttributeVariable


@irdl_custom_directive
class Direction(_EnumDirective):
    """`S2MM` or `MM2S`"""

    ENUMERATION: ClassVar[type[IntEnum]] = DMAChannelDir
    attribute: AttributeVariable


@irdl_custom_directive
class Action(_EnumDirective):
    """`AcquireGreaterEqual`"""

    ENUMERATION: ClassVar[type[IntEnum]] = LockAction
    attribute: AttributeVariable


@irdl_custom_directive
class Port(_EnumDirective):
    """`Produce` or `Consume`"""

    ENUMERATION: ClassVar[type[IntEnum]] = ObjectFifoPort
    attribute: AttributeVariable


@irdl_custom_directive
class Side(_EnumDirective):
    """`South`"""

    ENUMERATION: ClassVar[type[IntEnum]] = CascadeDir
    attribute: AttributeVariable


@irdl_custom_directive
class CommaInteger(CustomDirective):
    """`, 64`: an i32 that may be left out in the text and is always printed when the operation has it."""

    attribute: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        if parser.parse_optional_punctuation(","):
            self.attribute.set(state, i32_attr(parser.parse_integer()))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        attribute = self.attribute.get(op)
        if attribute is not None:
            printer.print_string(f", {int_value(attribute)}")
            state.should_emit_space = True
            state.last_was_punctuation = False


class _PairsAttr(Data[tuple[tuple[int, int], ...]], OpaqueSyntaxAttribute):
    """A list of two named integers, outermost dimension first."""

    fields: ClassVar[tuple[str, str]]

    @classmethod
    def parse_pairs(cls, parser: AttrParser) -> tuple[tuple[int, int], ...]:
        """`[<first = 1, second = 2>, …]`"""

        def pair() -> tuple[int, int]:
            values: list[int] = []
            with parser.in_angle_brackets():
                for index, name in enumerate(cls.fields):
                    if index:
                        parser.parse_punctuation(",")
                    parser.parse_keyword(name)
                    parser.parse_punctuation("=")
                    values.append(parser.parse_integer())
            return values[0], values[1]

        return tuple(parser.parse_comma_separated_list(parser.Delimiter.SQUARE, pair))

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> tuple[tuple[int, int], ...]:
        return cls.parse_pairs(parser)

    def print_parameter(self, printer: Printer) -> None:
        first, second = self.fields
        pairs = (f"<{first} = {one}, {second} = {two}>" for one, two in self.data)
        printer.print_string(f"[{', '.join(pairs)}]")


@irdl_attr_definition
class BDDimLayoutArrayAttr(_PairsAttr):
    """Sizes and strides of a descriptor in elements: `#aie<bd_dim_layout_array[<size = 4, stride = 256>]>`."""

    name = "aie.bd_dim_layout_array"
    fields = ("size", "stride")

    @classmethod
    def of(cls, sizes: Sequence[int], strides: Sequence[int]) -> BDDimLayoutArrayAttr:
        """Outermost first, as everywhere in this dialect."""
        return cls(tuple(zip(sizes, strides, strict=True)))


@irdl_attr_definition
class BDPadLayoutArrayAttr(_PairsAttr):
    """Zeros that a MemTile adds before and after each dimension while it sends."""

    name = "aie.bd_pad_layout_array"
    fields = ("const_pad_before", "const_pad_after")


@irdl_attr_definition
class PacketInfoAttr(Data[tuple[int, int]]):
    """Header of a packet-switched stream: `#aie.packet_info<pkt_type = 0, pkt_id = 2>`."""

    name = "aie.packet_info"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> tuple[int, int]:
        values: dict[str, int] = {}
        with parser.in_angle_brackets():
            for index in range(2):
                if index:
                    parser.parse_punctuation(",")
                name = parser.parse_keyword_in(("pkt_type", "pkt_id"))
                parser.parse_punctuation("=")
                values[name] = parser.parse_integer()
        return values["pkt_type"], values["pkt_id"]

    def print_parameter(self, printer: Printer) -> None:
        printer.print_string(f"<pkt_type = {self.data[0]}, pkt_id = {self.data[1]}>")
