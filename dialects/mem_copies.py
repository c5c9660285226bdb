"""Copies of the `mem` level between DDR and MemTiles, which run by themselves, and how they are waited for."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    var_operand_def,
)
from xdsl.utils.exceptions import VerifyException

from compiler.transfers.window import Window
from dialects.mem_attributes import (
    DDR,
    MEMTILE,
    BufferType,
    TokenType,
    WindowAttr,
)
from dialects.mem_op import MemOp


@irdl_op_definition
class CopyOp(MemOp):
    """
    Words between DDR and the MemTile of one column, by the column's shim; either side may be an n-d window.

        %t = mem.copy %ddr to %tile {source = #mem.window<1, 0 [<3136, 1>]>, target = #mem.window<1, 512 [<3136, 1>]>}
             : !mem.buffer<ddr> to !mem.buffer<memtile>
    """

    name = "mem.copy"

    source = operand_def(BufferType)
    target = operand_def(BufferType)
    source_window = prop_def(WindowAttr, prop_name="from")
    target_window = prop_def(WindowAttr, prop_name="to")
    token = result_def(TokenType)

    assembly_format = "$source `to` $target attr-dict `:` type($source) `to` type($target)"

    def __init__(self, source: SSAValue, target: SSAValue, source_window: Window, target_window: Window):
        super().__init__(
            operands=[source, target],
            properties={"from": WindowAttr(source_window), "to": WindowAttr(target_window)},
            result_types=[TokenType()],
        )

    @property
    def column(self) -> int:
        """Whose shim moves the words."""
        return self.target_window.data.column

    @property
    def fills(self) -> bool:
        """From DDR to the MemTile, not back."""
        return self.source.type == DDR

    def verify_(self) -> None:
        if {self.source.type, self.target.type} != {DDR, MEMTILE}:
            raise VerifyException(f"a copy is between DDR and a MemTile, not {self.source.type} to {self.target.type}")
        source, target = self.source_window.data, self.target_window.data
        if source.words != target.words:
            raise VerifyException(f"{source.words} words leave and {target.words} arrive")
        if source.column != target.column:
            raise VerifyException(f"one shim serves one column: source {source.column}, target {target.column}")


@irdl_op_definition
class WaitOp(MemOp):
    """
    Goes on when all of these have ended.

        mem.wait %0, %1
    """

    name = "mem.wait"

    tokens = var_operand_def(TokenType)

    assembly_format = "$tokens attr-dict"

    def __init__(self, tokens: Sequence[SSAValue]):
        super().__init__(operands=[list(tokens)])
