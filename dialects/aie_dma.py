"""
DMA engines: channels, buffer descriptors and the names that the runtime sequence uses for shim channels.

    %dma = aie.memtile_dma(%memtile) {
      %0 = aie.dma_start(MM2S, 0, ^send, ^end)
    ^send:
      aie.use_lock(%full, AcquireGreaterEqual, 1)
      aie.dma_bd(%buffer : memref<32x32xi32>, 0, 1024, [<size = 4, stride = 256>, <size = 256, stride = 1>])
      aie.use_lock(%empty, Release, 1)
      aie.next_bd ^send
    ^end:
      aie.end
    }

A block is one descriptor: at most one acquire, exactly one `dma_bd`, at most one release. Offsets, lengths, sizes and
strides count elements, outermost dimension first. Limits of the hardware fields are not checked here: upstream does
not check most of them either, and the pass that emits descriptors checks all of them at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import (
    BoolAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    MemRefType,
    StringAttr,
    SymbolNameConstraint,
    i64,
)
from xdsl.dialects.builtin import i1 as bit
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    eq,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    successor_def,
    traits_def,
    var_region_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsTerminator, NoTerminator, SymbolOpInterface

from dialects.aie_attributes import (
    BDDimLayoutArrayAttr,
    BDPadLayoutArrayAttr,
    Direction,
    DMAChannelDir,
    PacketInfoAttr,
    i32_attr,
    int_value,
    parse_enumerator,
)
from dialects.aie_structure import I32, INDEX
from dialects.notes import FIRST_RUN


class _DMAProgramOp(IRDLOperation):
    """Static descriptors of one tile: blocks reached from `dma_start`, ended by `aie.end`."""

    tile = operand_def(INDEX)
    result = result_def(INDEX)
    body = region_def()
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, tile: SSAValue, body: Region):
        super().__init__(operands=[tile], regions=[body], result_types=[IndexType()])


@irdl_op_definition
class MemOp(_DMAProgramOp):
    """DMA of a core tile."""

    name = "aie.mem"
    assembly_format = "`(` $tile `)` $body attr-dict"


@irdl_op_definition
class MemTileDMAOp(_DMAProgramOp):
    """DMA of a MemTile; channels 0 to 3 also reach the MemTiles to the west and east."""

    name = "aie.memtile_dma"
    assembly_format = "`(` $tile `)` $body attr-dict"


@irdl_op_definition
class ShimDMAOp(_DMAProgramOp):
    """DMA between DDR and the array."""

    name = "aie.shim_dma"
    assembly_format = "`(` $tile `)` $body attr-dict"


@irdl_op_definition
class DMAStartOp(IRDLOperation):
    """Start a channel at descriptor `dest` and continue configuring at `chain`; `repeat_count` = runs − 1."""

    name = "aie.dma_start"
    channel_dir = prop_def(I32)
    channel_index = prop_def(I32)
    repeat_count = prop_def(I32, default_value=i32_attr(0))
    valid = result_def(eq(bit))
    dest = successor_def()
    chain = successor_def()
    traits = traits_def(IsTerminator())
    irdl_options = (ParsePropInAttrDict(),)
    custom_directives = (Direction,)
    assembly_format = (
        "`(` custom<Direction>($channel_dir) `,` $channel_index `,` $dest `,` $chain "
        "(`,` `repeat_count` `=` $repeat_count^)? `)` attr-dict"
    )

    def __init__(self, direction: DMAChannelDir, channel: int, dest: Block, chain: Block, *, repeat_count: int = 0):
        super().__init__(
            properties={
                "channel_dir": i32_attr(direction),
                "channel_index": i32_attr(channel),
                "repeat_count": i32_attr(repeat_count),
            },
            successors=[dest, chain],
            result_types=[bit],
        )

    @property
    def direction(self) -> DMAChannelDir:
        """`channel_dir` as an enumerator."""
        return DMAChannelDir(int_value(self.channel_dir))


@irdl_op_definition
class DMABDOp(IRDLOperation):
    """
    One buffer descriptor.

    Our task form may hold a fifth dimension as the discardable attribute
    `blockloom.iteration = array<i64: size, stride>`, and begin with another iteration than the first by
    `blockloom.first_run = 1 : i32`; upstream keeps them and ignores them.
    """

    name = "aie.dma_bd"
    buffer = operand_def(MemRefType)
    offset = prop_def(I32, default_value=i32_attr(0))
    len = opt_prop_def(I32)
    dimensions = opt_prop_def(BDDimLayoutArrayAttr)
    pad_dimensions = opt_prop_def(BDPadLayoutArrayAttr)
    pad_value = opt_prop_def(I32)
    bd_id = opt_prop_def(I32)
    next_bd_id = opt_prop_def(I32)
    packet = opt_prop_def(PacketInfoAttr)
    burst_length = opt_prop_def(I32)

    def __init__(
        self,
        buffer: SSAValue,
        offset: int,
        length: int,
        *,
        dimensions: Sequence[tuple[int, int]] | None = None,
        pad_dimensions: Sequence[tuple[int, int]] | None = None,
        bd_id: int | None = None,
        next_bd_id: int | None = None,
        packet: tuple[int, int] | None = None,
    ):
        super().__init__(
            operands=[buffer],
            properties={
                "offset": i32_attr(offset),
                "len": i32_attr(length),
                "dimensions": None if dimensions is None else BDDimLayoutArrayAttr(tuple(dimensions)),
                "pad_dimensions": None if pad_dimensions is None else BDPadLayoutArrayAttr(tuple(pad_dimensions)),
                "bd_id": None if bd_id is None else i32_attr(bd_id),
                "next_bd_id": None if next_bd_id is None else i32_attr(next_bd_id),
                "packet": None if packet is None else PacketInfoAttr(packet),
            },
        )

    @property
    def first_run(self) -> int:
        """The iteration with which it begins."""
        note = self.attributes.get(FIRST_RUN)
        return cast("IntegerAttr[IntegerType]", note).value.data if isinstance(note, IntegerAttr) else 0

    @classmethod
    def parse(cls, parser: Parser) -> DMABDOp:
        properties: dict[str, Attribute] = {}
        with parser.in_parens():
            buffer = parser.parse_unresolved_operand()
            parser.parse_punctuation(":")
            buffer_type = parser.parse_type()
            integers = ["offset", "len"]
            while parser.parse_optional_punctuation(","):
                if parser.parse_optional_keyword("pad_value"):
                    parser.parse_punctuation("=")
                    properties["pad_value"] = i32_attr(parser.parse_integer())
                elif integers and (value := parser.parse_optional_integer()) is not None:
                    properties[integers.pop(0)] = i32_attr(value)
                elif "dimensions" not in properties:
                    properties["dimensions"] = BDDimLayoutArrayAttr(BDDimLayoutArrayAttr.parse_pairs(parser))
                else:
                    properties["pad_dimensions"] = BDPadLayoutArrayAttr(BDPadLayoutArrayAttr.parse_pairs(parser))
        attributes = parser.parse_optional_attr_dict()
        known = cls.get_irdl_definition().properties
        properties |= {name: value for name, value in attributes.items() if name in known}
        attributes = {name: value for name, value in attributes.items() if name not in known}
        operand = parser.resolve_operand(buffer, buffer_type)
        return cls.build(operands=[operand], properties=properties, attributes=attributes)

    def print(self, printer: Printer) -> None:
        printer.print_string("(")
        printer.print_ssa_value(self.buffer)
        printer.print_string(" : ")
        printer.print_attribute(self.buffer.type)
        printer.print_string(f", {int_value(self.offset)}")
        if self.len is not None:
            printer.print_string(f", {int_value(self.len)}")
        for shape in (self.dimensions, self.pad_dimensions):
            if shape is not None:
                printer.print_string(", ")
                shape.print_parameter(printer)
        if self.pad_value is not None:
            printer.print_string(f", pad_value = {int_value(self.pad_value)}")
        printer.print_string(")")
        shown = ("offset", "len", "dimensions", "pad_dimensions", "pad_value")
        printer.print_op_attributes({**self.properties, **self.attributes}, reserved_attr_names=shown)


@irdl_op_definition
class NextBDOp(IRDLOperation):
    """Continue with another descriptor: `aie.next_bd ^again`."""

    name = "aie.next_bd"
    dest = successor_def()
    traits = traits_def(IsTerminator())
    assembly_format = "$dest attr-dict"

    def __init__(self, dest: Block):
        super().__init__(successors=[dest])


@irdl_op_definition
class DMAOp(IRDLOperation):
    """The structured form of a channel: one region per descriptor, repeated for ever unless `loop` is false."""

    name = "aie.dma"
    channel_dir = prop_def(I32)
    channel_index = prop_def(I32)
    loop = prop_def(BoolAttr, default_value=BoolAttr.from_bool(True))
    repeat_count = prop_def(I32, default_value=i32_attr(0))
    sym_name = opt_prop_def(StringAttr)
    valid = result_def(eq(bit))
    bds = var_region_def("single_block")
    traits = traits_def(NoTerminator())

    @classmethod
    def parse(cls, parser: Parser) -> DMAOp:
        with parser.in_parens():
            direction = parse_enumerator(parser, DMAChannelDir)
            parser.parse_punctuation(",")
            channel = i32_attr(parser.parse_integer())
        attributes = parser.parse_optional_attr_dict()
        regions = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_region)
        properties = {"channel_dir": direction, "channel_index": channel}
        properties |= {
            name: attributes.pop(name) for name in ("loop", "repeat_count", "sym_name") if name in attributes
        }
        return cls.build(result_types=[bit], properties=properties, attributes=attributes, regions=[regions])

    def print(self, printer: Printer) -> None:
        direction = DMAChannelDir(int_value(self.channel_dir))
        printer.print_string(f"({direction.name}, {int_value(self.channel_index)})")
        defaults = {name: known.default_value for name, known in self.get_irdl_definition().properties.items()}
        shown = {name: value for name, value in self.properties.items() if value != defaults[name]}
        printer.print_op_attributes({**shown, **self.attributes}, reserved_attr_names=("channel_dir", "channel_index"))
        printer.print_string(" [")
        printer.print_list(self.bds, printer.print_region)
        printer.print_string("]")


@irdl_op_definition
class ShimDMAAllocationOp(IRDLOperation):
    """A name for a shim channel: `aie.shim_dma_allocation @in (%shim, MM2S, 0)`."""

    name = "aie.shim_dma_allocation"
    tile = operand_def(INDEX)
    sym_name = prop_def(SymbolNameConstraint())
    channel_dir = prop_def(I32)
    channel_index = prop_def(IntegerAttr.constr(eq(i64)))
    plio = prop_def(BoolAttr, default_value=BoolAttr.from_bool(False))
    packet = opt_prop_def(PacketInfoAttr)
    traits = traits_def(SymbolOpInterface())
    irdl_options = (ParsePropInAttrDict(),)
    custom_directives = (Direction,)
    assembly_format = "$sym_name ` ` `(` $tile `,` custom<Direction>($channel_dir) `,` $channel_index `)` attr-dict"

    def __init__(self, sym_name: str, tile: SSAValue, direction: DMAChannelDir, channel: int):
        super().__init__(
            operands=[tile],
            properties={
                "sym_name": StringAttr(sym_name),
                "channel_dir": i32_attr(direction),
                "channel_index": IntegerAttr(channel, i64),
            },
        )
