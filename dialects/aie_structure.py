"""
What an array is made of: tiles, and their buffers and locks.

    aie.device(npu1) {
      %tile = aie.tile(0, 2)
      %arena = aie.buffer(%tile) {address = 1024 : i32, sym_name = "arena"} : memref<14336xi32>
      %full = aie.lock(%tile, 1) {init = 0 : i32, sym_name = "in_full"}
    }

Nothing here is `Pure`: an unused tile or lock is still hardware that somebody configures. Op and property names,
defaults and encodings are upstream's, so both printed forms are read by upstream for every device it knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from xdsl.dialects.builtin import (
    AnyDenseElement,
    DenseIntOrFPElementsAttr,
    IndexType,
    IntegerAttr,
    MemRefType,
    StringAttr,
    TensorType,
    i32,
)
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.irdl import (
    AnyAttr,
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
from xdsl.traits import (
    IsolatedFromAbove,
    IsTerminator,
    OptionalSymbolOpInterface,
    SingleBlockImplicitTerminator,
    SymbolOpInterface,
    SymbolTable,
    ensure_terminator,
)
from xdsl.utils.hints import isa

from dialects.aie_attributes import (
    device_attr,
    device_name,
    i32_attr,
    int_value,
)

I32 = IntegerAttr.constr(eq(i32))
INDEX = eq(IndexType())


@irdl_op_definition
class EndOp(IRDLOperation):
    """Last operation of a device, a core, a DMA program or a packet flow."""

    name = "aie.end"
    assembly_format = "attr-dict"
    traits = traits_def(IsTerminator())


@irdl_op_definition
class DeviceOp(IRDLOperation):
    """One configuration of one array, `aie.device(npu1) { … }`; our larger meshes keep their name, `mesh_8x8`."""

    name = "aie.device"
    device = prop_def(AnyAttr())
    sym_name = prop_def(StringAttr, default_value=StringAttr("main"))
    body = region_def("single_block")
    traits = traits_def(SymbolTable(), SymbolOpInterface(), IsolatedFromAbove(), SingleBlockImplicitTerminator(EndOp))

    def __init__(
        self,
        device: str,
        body: Region | None = None,
        *,
        sym_name: str = "main",
        attributes: Mapping[str, Attribute] | None = None,
    ):
        super().__init__(
            regions=[body if body is not None else Region(Block())],
            properties={"device": device_attr(device), "sym_name": StringAttr(sym_name)},
            attributes=dict(attributes or {}),
        )
        for trait in self.get_traits_of_type(SingleBlockImplicitTerminator):
            ensure_terminator(self, trait)

    @property
    def device_name(self) -> str:
        """`npu1`, `mesh_8x8`, …"""
        return device_name(self.device)

    @classmethod
    def parse(cls, parser: Parser) -> DeviceOp:
        with parser.in_parens():
            device = parser.parse_identifier()
        name = parser.parse_optional_symbol_name()
        region = parser.parse_region()
        return cls(
            device,
            region,
            sym_name="main" if name is None else name.data,
            attributes=parser.parse_optional_attr_dict(),
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(f"({self.device_name}) ")
        if self.sym_name.data != "main":
            printer.print_symbol_name(self.sym_name.data)
            printer.print_string(" ")
        printer.print_region(self.body, print_block_terminators=False)
        printer.print_op_attributes(self.attributes)


@irdl_op_definition
class TileOp(IRDLOperation):
    """A place of the array; row 0 is the shim, row 1 the MemTile, rows from 2 upward are cores: `aie.tile(0, 2)`."""

    name = "aie.tile"
    col = prop_def(I32)
    row = prop_def(I32)
    allocation_scheme = opt_prop_def(StringAttr)
    result = result_def(INDEX)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "`(` $col `,` $row `)` attr-dict"

    def __init__(self, col: int, row: int):
        super().__init__(properties={"col": i32_attr(col), "row": i32_attr(row)}, result_types=[IndexType()])

    @property
    def position(self) -> tuple[int, int]:
        """Column and row as integers."""
        return int_value(self.col), int_value(self.row)


@irdl_op_definition
class BufferOp(IRDLOperation):
    """A range of a tile's memory, at a byte address once placed."""

    name = "aie.buffer"
    tile = operand_def(INDEX)
    sym_name = opt_prop_def(StringAttr)
    address = opt_prop_def(I32)
    initial_value = opt_prop_def(DenseIntOrFPElementsAttr)
    mem_bank = opt_prop_def(I32)
    buffer = result_def(MemRefType)
    traits = traits_def(OptionalSymbolOpInterface())

    def __init__(
        self,
        tile: SSAValue,
        buffer_type: MemRefType,
        *,
        sym_name: str | None = None,
        address: int | None = None,
        initial_value: DenseIntOrFPElementsAttr | None = None,
    ):
        super().__init__(
            operands=[tile],
            result_types=[buffer_type],
            properties={
                "sym_name": None if sym_name is None else StringAttr(sym_name),
                "address": None if address is None else i32_attr(address),
                "initial_value": initial_value,
            },
        )

    @classmethod
    def parse(cls, parser: Parser) -> BufferOp:
        with parser.in_parens():
            tile = parser.parse_operand(IndexType())
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        buffer_type = parser.parse_type()
        if parser.parse_optional_punctuation("="):
            if not isa(buffer_type, MemRefType):
                parser.raise_error("aie.buffer holds a memref")
            parser.parse_keyword("dense")
            shape = TensorType(cast("AnyDenseElement", buffer_type.element_type), buffer_type.shape)
            attributes["initial_value"] = parser.parse_dense_int_or_fp_elements_attr(shape)
        known = cls.get_irdl_definition().properties
        return cls.build(
            operands=[tile],
            result_types=[buffer_type],
            properties={name: value for name, value in attributes.items() if name in known},
            attributes={name: value for name, value in attributes.items() if name not in known},
        )

    def print(self, printer: Printer) -> None:
        printer.print_string("(")
        printer.print_ssa_value(self.tile)
        printer.print_string(")")
        printer.print_op_attributes({**self.attributes, **self.properties}, reserved_attr_names=("initial_value",))
        printer.print_string(" : ")
        printer.print_attribute(self.buffer.type)
        if self.initial_value is not None:
            printer.print_string(" = ")
            self.initial_value.print_without_type(printer)


@irdl_op_definition
class LockOp(IRDLOperation):
    """A counting semaphore of a tile, 0 to 63: `aie.lock(%tile, 3) {init = 1 : i32}`."""

    name = "aie.lock"
    tile = operand_def(INDEX)
    lockID = opt_prop_def(I32)
    init = opt_prop_def(I32)
    sym_name = opt_prop_def(StringAttr)
    result = result_def(INDEX)
    traits = traits_def(OptionalSymbolOpInterface())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "`(` $tile (`,` $lockID^)? `)` attr-dict"

    def __init__(
        self, tile: SSAValue, lock_id: int | None = None, *, init: int | None = None, sym_name: str | None = None
    ):
        super().__init__(
            operands=[tile],
            result_types=[IndexType()],
            properties={
                "lockID": None if lock_id is None else i32_attr(lock_id),
                "init": None if init is None else i32_attr(init),
                "sym_name": None if sym_name is None else StringAttr(sym_name),
            },
        )
