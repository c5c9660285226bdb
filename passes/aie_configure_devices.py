"""
`aie-configure-devices`: one more device, whose sequences load the others one after the other and run theirs.

Before, where the kernels of a network are more than one program:

    aie.device(npu1) @array_0 { … aie.runtime_sequence @sequence_0(%activations, %weights) { … } }
    aie.device(npu1) @array_1 { … aie.runtime_sequence @sequence_1(%activations, %weights) { … } }
    func.func @main(…) { … mem.run @sequence_0 …  mem.run @sequence_1 … }

After, besides all that:

    aie.device(npu1) @network {
      aie.runtime_sequence @run_0(%activations, %weights) {
        aiex.configure @array_0 { aiex.run @sequence_0(%activations, %weights) : … }
        aiex.configure @array_1 { aiex.run @sequence_1(%activations, %weights) : … }
      }
    }

Sequences that the host has nothing to do between are one of @network. With `aie-keep-device` after it, the module is
what upstream's tools make one binary of. Versions since 20251118 know these operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Region
from xdsl.passes import ModulePass

from compiler.errors import InputError
from dialects import mem
from dialects.aie import DeviceOp, RuntimeSequenceOp
from dialects.aiex_devices import ConfigureOp, RunOp

NETWORK = "network"


@dataclass(frozen=True)
class AieConfigureDevicesPass(ModulePass):
    """Add the device whose sequences run a network of several devices, for upstream's tools."""

    name = "aie-configure-devices"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        devices = [each for each in op.body.block.ops if isinstance(each, DeviceOp)]
        main = next((f for f in op.body.ops if isinstance(f, FuncOp) and f.sym_name.data == "main"), None)
        if not devices or main is None:
            raise InputError("the module has no aie.device with a @main beside it; convert-mem-to-aie makes both")
        if any(device.sym_name.data == NETWORK for device in devices):
            raise InputError(f"the module has a device @{NETWORK} already; this pass adds it")
        holders = {
            sequence.sym_name.data: (device, sequence)
            for device in devices
            for sequence in device.body.block.ops
            if isinstance(sequence, RuntimeSequenceOp)
        }
        stretches = [[holders[name] for name in names] for names in _stretches(main)]
        sequences = [_sequence(f"run_{number}", stretch) for number, stretch in enumerate(stretches)]
        added = DeviceOp(devices[0].device_name, Region(Block(sequences)), sym_name=NETWORK)
        op.body.block.insert_op_after(added, devices[-1])


def _stretches(main: FuncOp) -> list[list[str]]:
    """Names of sequences in order, together where the host does nothing between."""
    steps = [op for op in main.body.block.ops if not isinstance(op, mem.MapOp | mem.WordsOp | mem.ImageOp)]
    groups = groupby(steps, key=lambda step: isinstance(step, mem.RunOp))
    return [[op.sequence.string_value() for op in group if isinstance(op, mem.RunOp)] for runs, group in groups if runs]


def _sequence(name: str, stretch: list[tuple[DeviceOp, RuntimeSequenceOp]]) -> RuntimeSequenceOp:
    """Neighbours of one device are configured once."""
    block = Block(arg_types=stretch[0][1].body.block.arg_types)
    for number, argument in enumerate(stretch[0][1].body.block.args):
        block.args[number].name_hint = argument.name_hint
    for device, group in groupby(stretch, key=lambda held: held[0]):
        runs = [RunOp(sequence.sym_name.data, block.args) for _, sequence in group]
        block.add_op(ConfigureOp(device.sym_name.data, runs))
    return RuntimeSequenceOp(Region(block), sym_name=name)
