"""A network as the planners see it: maps by number, steps in order. No IR, no values."""

from __future__ import annotations

from dataclasses import dataclass, replace

from compiler.kernels.parameters import Kernel
from compiler.tiling.layer import Layer, MapShape


@dataclass(frozen=True)
class Work:
    """A layer, the maps that it reads, and the one that it writes, or a part of it."""

    layer: Layer
    inputs: tuple[int, ...]
    output: int


@dataclass(frozen=True)
class ArrayStep:
    """
    Layers that write one map, or their channel blocks of it: one layer, or one per input of a concatenation. Perhaps
    the last of a chain of steps that run together, band by band (`compiler.scheduling.chains`).
    """

    name: str
    parts: tuple[tuple[Layer, tuple[int, ...]], ...]
    """Each layer with the numbers of its input maps."""
    output: int
    before: tuple[ArrayStep, ...] = ()
    """Of a chain the other steps, in order: the map of each is read by the next one and perhaps others behind it."""

    @property
    def members(self) -> tuple[ArrayStep, ...]:
        """The steps of a chain, in order; one by itself is its only member."""
        return (*self.before, replace(self, before=()))

    @property
    def title(self) -> str:
        """What runs together, by name."""
        return "+".join(step.name for step in (*self.before, self))

    @property
    def inner(self) -> tuple[int, ...]:
        """Maps of a chain that are nowhere whole."""
        return tuple(step.output for step in self.before)

    @property
    def work(self) -> tuple[Work, ...]:
        """What each band computes, one after the other."""
        return tuple(Work(*part, step.output) for step in (*self.before, self) for part in step.parts)

    @property
    def kernels(self) -> frozenset[Kernel]:
        """What its layers call."""
        return frozenset(work.layer.kernel for work in self.work)


@dataclass(frozen=True)
class HostStep:
    """Work between invocations of the array: reads and writes maps in DDR."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


Step = ArrayStep | HostStep


def inputs_of(step: Step) -> tuple[int, ...]:
    """Maps that a step reads, each once, in order; of a chain those that it does not make itself."""
    if isinstance(step, HostStep):
        return step.inputs
    read = dict.fromkeys(number for work in step.work for number in work.inputs)
    return tuple(number for number in read if number not in step.inner)


def outputs_of(step: Step) -> tuple[int, ...]:
    """Maps that a step writes."""
    return step.outputs if isinstance(step, HostStep) else (step.output,)


@dataclass(frozen=True)
class Network:
    """
    `maps[n]` is the shape of map n. Graph inputs and what is inside chains are written by no step, other maps by one,
    or by several that write different channel blocks of it (`compiler.scheduling.in_place`); nobody reads such a map
    before it is whole.
    """

    maps: tuple[MapShape, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    """Maps the caller wants in DDR at the end."""
    hidden: frozenset[int] = frozenset()
    """Maps that nobody knows by name: they need not exist."""
    configurations: tuple[int, ...] = ()
    """Of each step the program that the cores run then (`compiler.scheduling.configurations`); empty if all run one."""

    def writers(self) -> dict[int, tuple[int, ...]]:
        """The steps that write each map, in order, by their indices."""
        found: dict[int, tuple[int, ...]] = {}
        for index, step in enumerate(self.steps):
            for number in outputs_of(step):
                found[number] = (*found.get(number, ()), index)
        return found

    def configuration(self, index: int) -> int:
        """The program that the cores run in a step."""
        return self.configurations[index] if self.configurations else 0

    def reconfigured(self, first: int, last: int) -> bool:
        """Whether the cores get another program between two steps; the MemTiles hold nothing any more then."""
        return len(set(self.configurations[first : last + 1])) > 1
