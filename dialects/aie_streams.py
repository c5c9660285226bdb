"""
Streams between tiles: circuit-switched flows, packet-switched flows, and the cascade of accumulators.

    aie.flow(%memtile, DMA : 0, %core, DMA : 0)
    aie.packet_flow(1) {
      aie.packet_source<%memtile, TileControl : 0>
      aie.packet_dest<%shim, South : 0>
    } {keep_pkt_header = true, priority_route = true}
    aie.cascade_flow(%north, %south)

Several flows with one source port are a broadcast. A cascade passes 512 bits at a time from a core to its southern or
eastern neighbour; `put` waits while the neighbour has not taken the previous value.
"""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import BoolAttr, IntegerAttr, VectorType, i8
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
    traits_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import SingleBlockImplicitTerminator, ensure_terminator

from dialects.aie_attributes import Bundle, Side, WireBundle, i32_attr, int_value
from dialects.aie_structure import I32, INDEX, EndOp


@irdl_op_definition
class FlowOp(IRDLOperation):
    """A stream reserved from one port to another."""

    name = "aie.flow"
    source = operand_def(INDEX)
    dest = operand_def(INDEX)
    source_bundle = prop_def(I32)
    source_channel = prop_def(I32)
    dest_bundle = prop_def(I32)
    dest_channel = prop_def(I32)
    irdl_options = (ParsePropInAttrDict(),)
    custom_directives = (Bundle,)
    assembly_format = (
        "`(` $source `,` custom<Bundle>($source_bundle) `:` $source_channel `,` "
        "$dest `,` custom<Bundle>($dest_bundle) `:` $dest_channel `)` attr-dict"
    )

    def __init__(
        self,
        source: SSAValue,
        source_channel: int,
        dest: SSAValue,
        dest_channel: int,
        *,
        source_bundle: WireBundle = WireBundle.DMA,
        dest_bundle: WireBundle = WireBundle.DMA,
    ):
        super().__init__(
            operands=[source, dest],
            properties={
                "source_bundle": i32_attr(source_bundle),
                "source_channel": i32_attr(source_channel),
                "dest_bundle": i32_attr(dest_bundle),
                "dest_channel": i32_attr(dest_channel),
            },
        )


class _PacketEndOp(IRDLOperation):
    """One end of a packet flow."""

    tile = operand_def(INDEX)
    bundle = prop_def(I32)
    channel = prop_def(I32)
    custom_directives = (Bundle,)

    def __init__(self, tile: SSAValue, bundle: WireBundle, channel: int):
        super().__init__(operands=[tile], properties={"bundle": i32_attr(bundle), "channel": i32_attr(channel)})


@irdl_op_definition
class PacketSourceOp(_PacketEndOp):
    """Where packets of the flow come from."""

    name = "aie.packet_source"
    assembly_format = "`<` $tile `,` custom<Bundle>($bundle) `:` $channel `>` attr-dict"


@irdl_op_definition
class PacketDestOp(_PacketEndOp):
    """Where packets of the flow go; several destinations are a broadcast."""

    name = "aie.packet_dest"
    assembly_format = "`<` $tile `,` custom<Bundle>($bundle) `:` $channel `>` attr-dict"


@irdl_op_definition
class PacketFlowOp(IRDLOperation):
    """Streams that share wires; the header's id tells them apart."""

    name = "aie.packet_flow"
    ID = prop_def(IntegerAttr.constr(eq(i8)))
    keep_pkt_header = opt_prop_def(BoolAttr)
    priority_route = opt_prop_def(BoolAttr)
    ports = region_def("single_block")
    traits = traits_def(SingleBlockImplicitTerminator(EndOp))

    def __init__(
        self,
        packet_id: int,
        ports: Region | None = None,
        *,
        keep_pkt_header: bool | None = None,
        priority_route: bool | None = None,
        attributes: Mapping[str, Attribute] | None = None,
    ):
        super().__init__(
            regions=[ports if ports is not None else Region(Block())],
            properties={
                "ID": IntegerAttr(packet_id, i8),
                "keep_pkt_header": None if keep_pkt_header is None else BoolAttr.from_bool(keep_pkt_header),
                "priority_route": None if priority_route is None else BoolAttr.from_bool(priority_route),
            },
            attributes=dict(attributes or {}),
        )
        for trait in self.get_traits_of_type(SingleBlockImplicitTerminator):
            ensure_terminator(self, trait)

    @classmethod
    def parse(cls, parser: Parser) -> PacketFlowOp:
        with parser.in_parens():
            packet_id = parser.parse_integer()
        ports = parser.parse_region()
        attributes = parser.parse_optional_attr_dict()
        flow = cls(packet_id, ports)
        for name, value in attributes.items():
            known = name in cls.get_irdl_definition().properties
            (flow.properties if known else flow.attributes)[name] = value
        return flow

    def print(self, printer: Printer) -> None:
        printer.print_string(f"({int_value(self.ID)}) ")
        printer.print_region(self.ports, print_block_terminators=False)
        printer.print_op_attributes({**self.attributes, **self.properties}, reserved_attr_names=("ID",))


@irdl_op_definition
class CascadeFlowOp(IRDLOperation):
    """Accumulators travel from one core to its southern or eastern neighbour."""

    name = "aie.cascade_flow"
    source_tile = operand_def(INDEX)
    dest_tile = operand_def(INDEX)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "`(` $source_tile `,` $dest_tile `)` attr-dict"

    def __init__(self, source_tile: SSAValue, dest_tile: SSAValue):
        super().__init__(operands=[source_tile, dest_tile])


@irdl_op_definition
class ConfigureCascadeOp(IRDLOperation):
    """The routed form of a cascade: the sides of one core at which it enters and leaves."""

    name = "aie.configure_cascade"
    tile = operand_def(INDEX)
    inputDir = prop_def(I32)
    outputDir = prop_def(I32)
    irdl_options = (ParsePropInAttrDict(),)
    custom_directives = (Side,)
    assembly_format = "`(` $tile `,` custom<Side>($inputDir) `,` custom<Side>($outputDir) `)` attr-dict"


@irdl_op_definition
class PutCascadeOp(IRDLOperation):
    """Send 512 bits to the next core of the cascade; waits while the previous value has not been taken."""

    name = "aie.put_cascade"
    cascade_value = operand_def(VectorType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "`(` $cascade_value `:` type($cascade_value) `)` attr-dict"

    def __init__(self, cascade_value: SSAValue):
        super().__init__(operands=[cascade_value])


@irdl_op_definition
class GetCascadeOp(IRDLOperation):
    """Take 512 bits from the previous core of the cascade; waits until there are some."""

    name = "aie.get_cascade"
    cascade_value = result_def(VectorType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "`(` `)` attr-dict `:` type($cascade_value)"

    def __init__(self, cascade_type: VectorType):
        super().__init__(result_types=[cascade_type])
