"""
What a host needs to run a compiled network on an array: instruction words, two buffers, and the order of everything.

    @main of level aie    a map is stored in the activations, a sequence runs, a map is loaded, the host computes
    here                  the same steps on arrays; who runs a sequence is given

`examples/06_what_a_driver_runs.py` gives it XRT. Nothing here has run on hardware.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.dialects.func import ReturnOp
from xdsl.ir import SSAValue

from compiler.errors import InputError
from compiler.hardware.transaction_words import Patch, Transaction, TransactionWords, encode
from compiler.interpret.execution import Arrays, entry_of
from compiler.interpret.host import run_host_model
from compiler.registry import full_context
from dialects import mem
from dialects.aie import RuntimeSequenceOp
from dialects.bsr import array_of
from dialects.mem_attributes import DDR
from passes.aie_lower_tasks import AieLowerTasksPass
from passes.array_reader import devices_of
from passes.array_transactions import transactions_of

Words = npt.NDArray[np.int32]
Run = Callable[[str, TransactionWords, Words, Words], None]
"""
Runs a sequence: the device that the array has to be configured as, by its symbol, the instruction words, the
activations, which it changes, and the weights.
"""

ACTIVATIONS, WEIGHTS = 0, 1
"""Arguments of every sequence."""


@dataclass(frozen=True)
class Driver:
    """A network of level aie as a host holds it."""

    module: ModuleOp
    transactions: Mapping[str, Transaction]
    """By the name of the sequence."""
    devices: Mapping[str, str]
    """Of each sequence the device that holds it."""
    activation_words: int
    weights: Words

    @classmethod
    def of(cls, module: ModuleOp) -> Driver:
        """Raises InputError for a device that upstream does not know."""
        lowered = ModuleOp([device.clone() for device in devices_of(module)], dict(module.attributes))
        AieLowerTasksPass().apply(full_context(), lowered)
        devices: dict[str, str] = {}
        sizes: list[int] = []
        for device in devices_of(module):
            for op in device.body.block.ops:
                if isinstance(op, RuntimeSequenceOp):
                    devices[op.sym_name.data] = device.sym_name.data
                    sizes.append(_size(op.body.block.args[ACTIVATIONS]))
        # maps that only the host writes and reads lie in the activations, too
        maps = [op for op in module.walk() if isinstance(op, mem.MapOp | mem.WordsOp) and op.result.type == DDR]
        sizes += [(op.address + op.size) // 4 for op in maps]
        images = [array_of(op.values).reshape(-1) for op in module.walk() if isinstance(op, mem.ImageOp)]
        weights = np.concatenate(images) if images else np.zeros(1, np.int32)
        return cls(module, transactions_of(lowered), devices, max(sizes, default=1), weights)

    def patches_outside(self) -> list[Patch]:
        """Addresses that a sequence would give to a shim and that lie in none of its buffers."""
        limits = {ACTIVATIONS: 4 * self.activation_words, WEIGHTS: 4 * self.weights.size}
        every = [part for transaction in self.transactions.values() for part in transaction.instructions]
        found = [part for part in every if isinstance(part, Patch)]
        return [part for part in found if not 0 <= part.offset < limits.get(part.argument, 0)]

    def run(self, inputs: Mapping[str, npt.NDArray[Any]], run: Run) -> Arrays:
        """The network's outputs for `inputs`, with `run` for every invocation of the array."""
        entry = entry_of(self.module)
        block = entry.function.body.block
        activations = np.zeros(self.activation_words, np.int32)
        values: dict[SSAValue, npt.NDArray[Any]] = dict(zip(block.args, entry.bind(inputs), strict=True))
        for op in block.ops:
            match op:
                case mem.MapOp() | mem.WordsOp() | mem.ImageOp():
                    pass
                case mem.StoreOp():
                    target = mem.in_ddr(op.target)
                    words = target.packed(values[op.value])
                    activations[target.first_word :][: words.size] = words
                case mem.RunOp():
                    name = op.sequence.string_value()
                    run(self.devices[name], encode(self.transactions[name]), activations, self.weights)
                case mem.LoadOp():
                    source = mem.in_ddr(op.source)
                    words = activations[source.first_word :][: source.words]
                    values[op.result] = source.unpacked(words, op.result.type)
                case mem.HostOp():
                    results = run_host_model(array_of(op.model).tobytes(), [values[value] for value in op.inputs])
                    values.update(zip(op.outputs, results, strict=True))
                case ReturnOp():
                    return dict(zip(entry.outputs, [values[value] for value in op.operands], strict=True))
                case _:
                    raise InputError(f"@main holds {op.name}, which is no step of a host")
        raise InputError("@main does not return")


def _size(argument: SSAValue) -> int:
    return cast("MemRefType[Any]", argument.type).get_shape()[0]
