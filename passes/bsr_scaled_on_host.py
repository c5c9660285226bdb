"""
An op with general scales that no core computes goes to the host, as integer arithmetic that gives the same bits.

Before:

    %y = bsr.avg_pool(%x) {…} : (tensor<…, #bsr.scaled<2.35e-02, -3>>) -> tensor<…, #bsr.scaled<1.1e-02, 0>>

After:

    %y = bsr.host(%x) {operator = "AveragePool", reason = "…"}

Most ops stay: the scaled kernels have multipliers of 31 bits and zero-points. `passes.scaled_layers.unfit` says what
stays out, and `passes.integer_models` has the models.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dialects.bsr import BsrOp, HostOp, WeightsOp
from passes.moving_to_host import erase_unread_weights, move_to_host
from passes.scaled_layers import unfit


@dataclass(frozen=True)
class BsrScaledOnHostPass(ModulePass):
    """Move every op with general scales that does not fit a core to the host, with the reason. Changes no bit."""

    name = "bsr-scaled-on-host"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for scaled in [inner for inner in op.walk() if isinstance(inner, BsrOp) and inner.is_scaled]:
            if not isinstance(scaled, WeightsOp | HostOp) and (reason := unfit(scaled)):
                move_to_host(scaled, reason)
        erase_unread_weights(op)
