"""What tests of passes on the `bsr` level share: a module of one block, and that a pass changes no bit."""

from __future__ import annotations

import numpy as np
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region, SSAValue
from xdsl.passes import ModulePass

from compiler.interpret.bsr import interpret_bsr
from compiler.interpret.mem import interpret_mem
from passes.convert_bsr_to_mem import ConvertBsrToMemPass


def main_of(block: Block, *outputs: SSAValue) -> ModuleOp:
    """A module whose only function is `block`, returning `outputs`."""
    block.add_op(func.ReturnOp(*outputs))
    types = ([argument.type for argument in block.args], [value.type for value in outputs])
    return ModuleOp([func.FuncOp("main", types, Region(block))])


def same_before_and_after(
    module: ModuleOp, inputs: dict[str, np.ndarray], *passes: ModulePass, target: str | None = "mesh-2x2"
) -> None:
    """The outputs of the module are those after the passes, and at the memory level of `target`, if that is given."""
    module.verify()
    before = interpret_bsr(module, inputs).outputs
    for module_pass in passes:
        module_pass.apply(Context(), module)
    module.verify()
    found = [interpret_bsr(module, inputs).outputs]
    if target is not None:
        ConvertBsrToMemPass(target=target).apply(Context(), module)
        found.append(interpret_mem(module, inputs).outputs)
    for after in found:
        for name, values in before.items():
            np.testing.assert_array_equal(after[name], values)
