"""
`aie-keep-device`: only the device, in words that upstream's tools know.

Before: a module with `aie.device`, the host's `@main`, and notes of ours. After: the `aie.device` alone. Its ops
keep the notes `blockloom.*`, which upstream carries along. The numbers of the weights stay outside, as `weights.npz`.
Refuses a device that upstream does not know (a mesh of more than 4x4).
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from compiler.errors import InputError
from dialects.aie import DeviceOp
from dialects.chip import chip_of


@dataclass(frozen=True)
class AieKeepDevicePass(ModulePass):
    """Drop the host's part and the module's notes, for upstream's tools."""

    name = "aie-keep-device"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        chip = chip_of(op)
        if not chip.upstream:
            raise InputError(
                f"'{chip.name}' has {chip.core_rows}x{chip.columns} cores and is no device of upstream's; meshes up to "
                "4x4, npu1 and npu2 are"
            )
        for other in list(op.body.block.ops):
            if not isinstance(other, DeviceOp):
                other.detach()
                other.erase(safe_erase=False)
        op.attributes.clear()
