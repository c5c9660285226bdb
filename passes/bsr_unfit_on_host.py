"""
`bsr-unfit-on-host{target=npu1}`: a layer that has no room on the chip goes to the host, as integer arithmetic that
gives the same bits.

Before:

    %y = bsr.max_pool(%x) {kernel = array<i64: 65, 1>} : (tensor<1x8x65x8xi8, …>) -> tensor<1x8x1x8xi8, …>

After:

    %y = bsr.host(%x) {operator = "MaxPool", reason = "layer 'pool' does not fit a core: …"}

Before: ops that each have a kernel, and reshapes that keep the bytes. After: each layer that is left fits the chip by
itself, also with its kernels; kernels that do not fit together are for several configurations of the array
(`compiler.scheduling.configurations`). What a plan asks is asked of every layer alone (`compiler.scheduling.misfits`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from compiler.hardware.chip import Chip, chip_named, parse_overrides
from compiler.scheduling.misfits import misfits
from dialects.bsr import AvgPoolOp, BsrOp
from passes.array_layers import overflow_of
from passes.array_network import build_network
from passes.moving_to_host import erase_unread_weights, move_to_host


@dataclass(frozen=True)
class BsrUnfitOnHostPass(ModulePass):
    """Move layers that do not fit the chip to the host, with the reason. Changes no bit."""

    name = "bsr-unfit-on-host"

    target: str = "npu1"
    """Name of the chip."""

    overrides: tuple[str, ...] = ()
    """Numbers of the chip to replace, as those of `convert-bsr-to-mem`."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        chip = chip_named(self.target).with_overrides(parse_overrides(self.overrides))
        for function in [each for each in op.ops if isinstance(each, func.FuncOp)]:
            pools = [each for each in function.walk() if isinstance(each, AvgPoolOp) and not each.is_scaled]
            _move({pool: reason for pool in pools if (reason := overflow_of(pool))})
            _move(_without_room(function, chip))
        erase_unread_weights(op)


def _move(ops: Mapping[Operation, str]) -> None:
    for op, reason in ops.items():
        assert isinstance(op, BsrOp), "steps of the array come from ops of this level"
        move_to_host(op, reason)


def _without_room(function: func.FuncOp, chip: Chip) -> dict[Operation, str]:
    """Ops of which some step does not fit, with what is said of the first one."""
    maps = build_network(function)
    found: dict[Operation, str] = {}
    for index, reason in misfits(maps.network(), chip).items():
        found.setdefault(maps.origins[index], reason)
    return found
