"""
`aie-keep-device{upstream=20251001}`: only the devices, in words that upstream's tools know.

Before: a module with `aie.device`, the host's `@main`, and notes of ours. After: its devices alone. Their ops keep the
notes `blockloom.*`, which upstream carries along. The numbers of the weights stay outside, as `weights.npz`. Refuses a
device that upstream does not know (a mesh of more than 4x4).

`upstream` is the day of the version that will read them, where that is not a recent one. What we write has changed

    20251118   aiex.runtime_sequence   ->   aie.runtime_sequence       (#2708)
    20250930   aie.device(npu1)        ->   aie.device(npu1) @array    (#2532)

and nothing of it between March and July 2026. Before 20250618 the devices themselves had other names.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr, UnregisteredOp
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from compiler.errors import InputError
from dialects.aie import DeviceOp, RuntimeSequenceOp
from dialects.chip import chip_of

SEQUENCES_OF_AIE, NAMED_DEVICES, EARLIEST = 20251118, 20250930, 20250618
NEWEST = 20260701


@dataclass(frozen=True)
class AieKeepDevicePass(ModulePass):
    """Drop the host's part and the module's notes, for upstream's tools."""

    name = "aie-keep-device"

    upstream: int = NEWEST
    """Day of the version that reads the devices, as yyyymmdd."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        chip = chip_of(op)
        if not chip.upstream:
            raise InputError(
                f"'{chip.name}' has {chip.core_rows}x{chip.columns} cores and is no device of upstream's; meshes up to "
                "4x4, npu1 and npu2 are"
            )
        if self.upstream < EARLIEST:
            raise InputError(f"upstream of {self.upstream} has other devices; versions since {EARLIEST} can be written")
        for other in list(op.body.block.ops):
            if not isinstance(other, DeviceOp):
                other.detach()
                other.erase(safe_erase=False)
        op.attributes.clear()
        devices = [device for device in op.body.block.ops if isinstance(device, DeviceOp)]
        if self.upstream < NAMED_DEVICES:
            _unname(devices, self.upstream)
        if self.upstream < SEQUENCES_OF_AIE:
            for device in devices:
                _rename_sequences(device)


def _unname(devices: list[DeviceOp], upstream: int) -> None:
    if len(devices) > 1:
        raise InputError(
            f"upstream of {upstream} has no names for devices, and this network has {len(devices)}; versions since "
            f"{NAMED_DEVICES} have"
        )
    for device in devices:
        # the name that is not printed
        device.sym_name = StringAttr("main")


def _rename_sequences(device: DeviceOp) -> None:
    for op in [op for op in device.body.block.ops if isinstance(op, RuntimeSequenceOp)]:
        older = UnregisteredOp.with_name("aiex.runtime_sequence").create(
            properties={"sym_name": op.sym_name},
            attributes=dict(op.attributes),
            regions=[op.detach_region(op.body)],
        )
        Rewriter.replace_op(op, older)
