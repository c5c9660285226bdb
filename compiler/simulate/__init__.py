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

from xdsl.dialects.builtin import ModuleOp

from compiler.simulate.array import Array, device_of, runs_of
from compiler.simulate.controller import ControllerCost
from compiler.simulate.events import SimulationError
from compiler.simulate.result import CoreResult, SegmentTime, Simulation, Times, summarise
from dialects.chip import chip_of

__all__ = ["CoreResult", "SegmentTime", "Simulation", "SimulationError", "Times", "simulate"]


def simulate(module: ModuleOp) -> Simulation:
    """
    Run the module's device and count cycles: once with a controller that takes no time, once with one that does.

    Raises SimulationError for a program that cannot go on.
    """
    chip, device, runs = chip_of(module), device_of(module), runs_of(module)
    array = Array.of(device, chip)
    array.run(runs, ControllerCost())
    whole = Array.of(device, chip).run(runs, ControllerCost(chip.controller_cycles, chip.launch_cycles))
    return summarise(array.activity, whole, len(runs))
