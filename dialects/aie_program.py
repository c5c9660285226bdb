"""
Who does what on an array: the programs of the cores, and the sequence of the controller.

    %core = aie.core(%tile) {
      aie.use_lock(%full, AcquireGreaterEqual, 1)
      aie.end
    } {stack_size = 2048 : i32}
    aie.runtime_sequence @sequence(%input: memref<4096xi32>) {
    }

A core sees the buffers and locks of its own tile and of its north, south and west neighbours. Constants that a core
uses are defined inside it: upstream compiles each core on its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import ArrayAttr, BoolAttr, IndexType, StringAttr
from xdsl.ir import Attribute, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
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
from xdsl.traits import NoTerminator, SymbolOpInterface

from dialects.aie_attributes import Action, CommaInteger, LockAction, i32_attr, int_value
from dialects.aie_structure import I32, INDEX


@irdl_op_definition
class UseLockOp(IRDLOperation):
    """Acquire waits until the lock holds `value` and takes it away, release adds it: `aie.use_lock(%l, Release, 1)`."""

    name = "aie.use_lock"
    lock = operand_def(INDEX)
    action = prop_def(I32)
    value = prop_def(I32, default_value=i32_attr(1))
    blocking = opt_prop_def(I32)
    acq_en = opt_prop_def(BoolAttr)
    irdl_options = (ParsePropInAttrDict(),)
    custom_directives = (Action, CommaInteger)
    assembly_format = "`(` $lock `,` custom<Action>($action) custom<CommaInteger>($value) `)` attr-dict"

    def __init__(self, lock: SSAValue, action: LockAction, value: int = 1):
        super().__init__(operands=[lock], properties={"action": i32_attr(action), "value": i32_attr(value)})

    @property
    def lock_action(self) -> LockAction:
        """`action` as an enumerator."""
        return LockAction(int_value(self.action))


@irdl_op_definition
class CoreOp(IRDLOperation):
    """The program of one core; `stack_size` bytes at the bottom of its memory belong to its stack."""

    name = "aie.core"
    tile = operand_def(INDEX)
    stack_size = prop_def(I32, default_value=i32_attr(1024))
    link_with = opt_prop_def(StringAttr)
    link_files = opt_prop_def(ArrayAttr)
    elf_file = opt_prop_def(StringAttr)
    dynamic_objfifo_lowering = opt_prop_def(BoolAttr)
    result = result_def(INDEX)
    body = region_def()
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "`(` $tile `)` $body attr-dict"

    def __init__(self, tile: SSAValue, body: Region, *, stack_size: int = 1024):
        super().__init__(
            operands=[tile],
            regions=[body],
            result_types=[IndexType()],
            properties={"stack_size": i32_attr(stack_size)},
        )


@irdl_op_definition
class RuntimeSequenceOp(IRDLOperation):
    """What the controller does, in order; the arguments are buffers in DDR."""

    name = "aie.runtime_sequence"
    sym_name = prop_def(StringAttr, default_value=StringAttr("sequence"))
    body = region_def()
    traits = traits_def(SymbolOpInterface(), NoTerminator())

    def __init__(self, body: Region, *, sym_name: str = "sequence", attributes: Mapping[str, Attribute] | None = None):
        super().__init__(
            regions=[body], properties={"sym_name": StringAttr(sym_name)}, attributes=dict(attributes or {})
        )

    @classmethod
    def parse(cls, parser: Parser) -> RuntimeSequenceOp:
        name = parser.parse_optional_symbol_name()
        arguments = parser.parse_comma_separated_list(parser.Delimiter.PAREN, parser.parse_argument)
        body = parser.parse_region(arguments)
        return cls(
            body, sym_name="sequence" if name is None else name.data, attributes=parser.parse_optional_attr_dict()
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_symbol_name(self.sym_name.data)
        with printer.in_parens():
            printer.print_list(self.body.block.args, printer.print_block_argument)
        printer.print_string(" ")
        printer.print_region(self.body, print_entry_block_args=False, print_empty_block=False)
        printer.print_op_attributes(self.attributes)
