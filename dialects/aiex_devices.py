"""
Several devices in one run: the array is configured anew, then a sequence of that device runs. In upstream's words:

    aie.runtime_sequence @run_0(%activations: memref<64xi32>, %weights: memref<64xi32>) {
      aiex.configure @array_1 {
        aiex.run @sequence_1(%activations, %weights) : (memref<64xi32>, memref<64xi32>)
      }
    }
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import FlatSymbolRefAttrConstr, SymbolRefAttr
from xdsl.ir import Block, Region, SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, prop_def, region_def, traits_def, var_operand_def
from xdsl.traits import HasParent, NoTerminator
from xdsl.utils.exceptions import VerifyException

from dialects.aie_program import RuntimeSequenceOp
from dialects.aie_structure import DeviceOp


@irdl_op_definition
class ConfigureOp(IRDLOperation):
    """Reset the array and load a device of the same kind, for what stands inside."""

    name = "aiex.configure"
    symbol = prop_def(FlatSymbolRefAttrConstr)
    body = region_def("single_block")
    traits = traits_def(NoTerminator(), HasParent(RuntimeSequenceOp))
    assembly_format = "$symbol $body attr-dict"

    def __init__(self, device: str, runs: Sequence[RunOp]):
        super().__init__(regions=[Region(Block(runs))], properties={"symbol": SymbolRefAttr(device)})

    def verify_(self) -> None:
        sequence = self.parent_op()
        here = sequence.parent_op() if sequence is not None else None
        module = here.parent_op() if here is not None else None
        if not isinstance(here, DeviceOp) or module is None:
            return
        name = self.symbol.string_value()
        found = [op for op in module.regions[0].block.ops if isinstance(op, DeviceOp) and op.sym_name.data == name]
        if not found:
            raise VerifyException(f"there is no device @{name}")
        if found[0].device_name != here.device_name:
            raise VerifyException(f"@{name} is for {found[0].device_name}, and this sequence for {here.device_name}")
        sequences = {op.sym_name.data: op for op in found[0].body.block.ops if isinstance(op, RuntimeSequenceOp)}
        for run in self.body.block.ops:
            if isinstance(run, RunOp):
                run.verify_against(sequences, name)


@irdl_op_definition
class RunOp(IRDLOperation):
    """Run a sequence of the device that is configured, on these buffers in DDR."""

    name = "aiex.run"
    runtime_sequence_symbol = prop_def(FlatSymbolRefAttrConstr)
    args = var_operand_def()
    traits = traits_def(HasParent(ConfigureOp))
    assembly_format = "$runtime_sequence_symbol `(` $args `)` attr-dict `:` `(` type($args) `)`"

    def __init__(self, sequence: str, args: Sequence[SSAValue]):
        super().__init__(operands=[list(args)], properties={"runtime_sequence_symbol": SymbolRefAttr(sequence)})

    def verify_against(self, sequences: dict[str, RuntimeSequenceOp], device: str) -> None:
        """Raises VerifyException if the device has no such sequence, or one that takes other buffers."""
        name = self.runtime_sequence_symbol.string_value()
        if name not in sequences:
            raise VerifyException(
                f"@{device} has no sequence @{name}; it has {', '.join(map('@{}'.format, sequences))}"
            )
        wanted, given = sequences[name].body.block.arg_types, self.args.types
        if tuple(wanted) != tuple(given):
            raise VerifyException(
                f"@{name} takes ({', '.join(map(str, wanted))}), and is given ({', '.join(map(str, given))})"
            )
