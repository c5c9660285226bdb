"""
The event simulator: how long a module of the `aie` level takes, and what it waits for.

    simulation = simulate(module)
    simulation.array_cycles, simulation.segments[0].bound

Cores, DMA channels, streams, locks, DDR and the controller are agents of one deterministic event queue over integer
cycles; kernels take as long as `compiler.kernels.cycles` says. What decides the time is carried as data: parameter
blocks and the lists of weight blocks that exist. Activations are only counted; their values are the interpreter's
business, which this package does not know.
"""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import ModuleOp

from compiler.errors import InputError
from compiler.hardware.chip import Chip
from compiler.simulate.array import Array, device_of, runs_of
from compiler.simulate.controller import ControllerCost
from compiler.simulate.events import SimulationError
from compiler.simulate.links import LinkKind, LinkUse
from compiler.simulate.result import Binding, ControllerTotal, CoreResult, SegmentTime, Simulation, Times
from compiler.simulate.summary import ChargedRun, summarise
from compiler.simulate.timeline import DdrTraffic, Interval, Timeline
from compiler.simulate.trace import chrome_trace
from dialects.chip import chip_of

__all__ = [
    "Binding",
    "ControllerTotal",
    "CoreResult",
    "DdrTraffic",
    "Interval",
    "LinkKind",
    "LinkUse",
    "SegmentTime",
    "Simulation",
    "SimulationError",
    "Timeline",
    "Times",
    "chrome_trace",
    "simulate",
]

INSTRUCTION_SECONDS = (0.05e-6, 0.1e-6, 0.4e-6)
"""What a controller instruction may take; nothing between an upper bound of 0.4 us and that is published."""

TIMING = {
    "branch_cycles",
    "clock_hz",
    "controller_cycles",
    "ddr_bytes_per_cycle",
    "ddr_total_bytes_per_cycle",
    "descriptor_cycles",
    "division_cycles",
    "hop_cycles",
    "kernel_call_cycles",
    "launch_cycles",
    "load_bytes_per_cycle",
    "load_latency_cycles",
    "lock_cycles",
    "loop_cycles",
    "memtile_bank_bytes_per_cycle",
    "memtile_banks",
    "queue_depth",
    "store_bytes_per_cycle",
    "stream_bytes_per_cycle",
}
"""Numbers of the chip that time depends on and the program does not."""

RATES = {
    "clock_hz",
    "ddr_bytes_per_cycle",
    "load_bytes_per_cycle",
    "memtile_bank_bytes_per_cycle",
    "memtile_banks",
    "store_bytes_per_cycle",
    "stream_bytes_per_cycle",
}
"""Those of them that cannot be 0."""


def simulate(module: ModuleOp, *, overrides: Mapping[str, int] | None = None, timeline: bool = False) -> Simulation:
    """
    Run the module's device and count cycles: with a controller that takes no time, then with slower and slower ones.

    `overrides` replaces numbers of the chip that time depends on; `timeline` keeps what everything did when. Raises
    SimulationError for a program that cannot go on.
    """
    chip, device, runs = _chip(module, overrides or {}), device_of(module), runs_of(module)
    free = Array.of(device, chip)
    free.run(runs, ControllerCost())
    costs = [chip.controller_cycles, *(round(seconds * chip.clock_hz) for seconds in INSTRUCTION_SECONDS)]
    charged: list[ChargedRun] = []
    for cycles in dict.fromkeys(costs):
        array = Array.of(device, chip)
        total = array.run(runs, ControllerCost(cycles, chip.launch_cycles))
        charged.append(ChargedRun(cycles, total, array.activity))
    return summarise(free, charged, len(runs), timeline=timeline)


def _chip(module: ModuleOp, overrides: Mapping[str, int]) -> Chip:
    """The module's chip with some numbers replaced, none of which decides how the network was mapped."""
    chip = chip_of(module).with_overrides(overrides)
    mapped = [name for name in overrides if name not in TIMING]
    if mapped:
        raise InputError(
            f"{', '.join(mapped)} decided how the program was made, so replacing it in a simulation says nothing; "
            f"replaceable are {', '.join(sorted(TIMING))}"
        )
    stopped = [name for name in overrides if name in RATES and not overrides[name]]
    if stopped:
        raise InputError(f"{', '.join(stopped)} cannot be 0: nothing would ever move")
    return chip
