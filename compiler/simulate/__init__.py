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

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from compiler.bulk import few_garbage_collections
from compiler.hardware.timing import instruction_costs, with_timing
from compiler.simulate.array import Array
from compiler.simulate.banks import memtile_loads
from compiler.simulate.controller import ControllerCost
from compiler.simulate.cores import Durations
from compiler.simulate.events import SimulationError
from compiler.simulate.links import LinkKind, LinkUse
from compiler.simulate.program import Program, Step
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

TOLD_EVERY = 256
"""Steps of the controller, which are some milliseconds."""


def simulate(
    module: ModuleOp,
    *,
    overrides: Mapping[str, int] | None = None,
    timeline: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Simulation:
    """
    Run the module's device and count cycles: with a controller that takes no time, then with slower and slower ones.

    `overrides` replaces numbers of the chip that time depends on; `timeline` keeps what everything did when;
    `progress` is told now and then which share of the work is done. Raises SimulationError for a program that cannot
    go on.
    """
    chip = with_timing(chip_of(module), overrides or {})
    with few_garbage_collections():
        program, durations = Program.of(module, chip), Durations()
        loads = memtile_loads(program, chip)
        costs = instruction_costs(chip)
        tell = _Progress(1 + len(costs), len(program.steps), progress or (lambda share: None))
        free = Array.of(program, chip, durations, loads)
        free.run(ControllerCost(), tell.through(program.steps))
        charged: list[ChargedRun] = []
        for cycles in costs:
            array = Array.of(program, chip, durations, loads, noted=False)
            cost = ControllerCost(cycles, chip.launch_cycles, chip.reconfiguration_cycles)
            total = array.run(cost, tell.through(program.steps))
            charged.append(ChargedRun(cycles, total, array.activity))
        return summarise(free, charged, max(loads.values(), default=0.0), timeline=timeline)


@dataclass
class _Progress:
    """The share of all runs that the controller has gone through; all runs take their steps equally long."""

    runs: int
    steps: int
    tell: Callable[[float], None]
    done: int = 0

    def through(self, steps: Sequence[Step]) -> Iterator[Step]:
        """The steps of one run."""
        for step in steps:
            if not self.done % TOLD_EVERY:
                self.tell(self.done / (self.runs * self.steps))
            self.done += 1
            yield step
