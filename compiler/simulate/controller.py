"""
The controller: it works through the steps of all runtime sequences, one after the other.

A simulation of the array alone gives it instructions that take no time: it configures and starts tasks at once until
it has to wait for a token. A simulation of the whole charges every instruction, and every launch of a sequence. How
many there are is counted by segment, as the hardware takes them: writes of descriptors and their address patches,
pushes and syncs, of which several may be one instruction (`compiler.hardware.bursts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from xdsl.ir import BlockArgument, SSAValue

from compiler.simulate.activity import Activity
from compiler.simulate.channels import Channel
from compiler.simulate.events import EventQueue, Priority, SimulationError
from compiler.simulate.links import Pieces
from compiler.simulate.locks import Lock
from compiler.simulate.memory import Memory
from compiler.simulate.program import Await, ChannelKey, Configure, Launch, Start, Step
from compiler.simulate.tasks import Task


@dataclass(frozen=True)
class ControllerCost:
    """Cycles of one instruction, of one launch, and of loading the array with another configuration."""

    instruction: int = 0
    launch: int = 0
    reconfiguration: int = 0


@dataclass(eq=False)
class Controller:
    """Takes the steps in order; those that cost nothing follow each other in one cycle."""

    steps: Iterator[Step]
    cost: ControllerCost
    channels: Mapping[ChannelKey, Channel]
    memories: dict[SSAValue, Memory]
    locks: Mapping[SSAValue, Lock]
    events: EventQueue
    activity: Activity
    waits: Pieces
    """For tokens."""
    tasks: list[tuple[Task, Channel]] = field(default_factory=list[tuple[Task, Channel]])
    """By number."""
    writes: int = 0
    """Instructions for tasks that were configured and not yet started; their segment is that of the start."""
    awaits: str | None = None
    """What it waits for at the moment."""
    finished: int | None = None
    """The cycle in which it came to the end."""

    def begin(self) -> None:
        """Start with cycle 0."""
        self.events.at(0, Priority.CONTROLLER, self._continue)

    def _continue(self) -> None:
        """Run to the next step that takes time or has to wait."""
        self.awaits = None
        for step in self.steps:
            cycles = self._cycles(step)
            if cycles:
                self.events.at(self.events.now + cycles, Priority.CONTROLLER, lambda step=step: self._finish(step))
                return
            if not self._execute(step):
                return
        self.finished = self.events.now

    def _finish(self, step: Step) -> None:
        if self._execute(step):
            self._continue()

    def _cycles(self, step: Step) -> int:
        """Cycles of the instructions behind a step."""
        match step:
            case Launch():
                return self.cost.launch + self.cost.reconfiguration * step.reconfigures
            case Configure() | Start() | Await():
                return step.instructions * self.cost.instruction

    def _execute(self, step: Step) -> bool:
        """Do it; whether the next one may follow at once."""
        match step:
            case Launch():
                for argument, words in step.arguments:
                    known = [(0, words.size)] if words is not None else []
                    self.memories[argument] = Memory(_argument_name(argument), words, known)
            case Configure():
                self._configure(step)
            case Start():
                task, channel = self.tasks[step.task]
                self.activity.instructed(step.segment, self.writes + step.instructions)
                self.writes = 0
                channel.push(task, step.runs, step.segment)
            case Await():
                return self._has_token(step)
        return True

    def _configure(self, step: Configure) -> None:
        channel = self.channels.get(step.channel)
        if channel is None:
            _, direction, number = step.channel
            raise SimulationError(
                f"a task is configured for {direction.name} {number} of a tile where no flow begins or ends"
            )
        assert step.task == len(self.tasks), "tasks are numbered as they are configured"
        self.writes += step.instructions
        self.tasks.append((Task.of(step.form, self.memories, self.locks), channel))

    def _has_token(self, step: Await) -> bool:
        """Take the token of a task, or go on when it comes."""
        task, channel = self.tasks[step.task]
        segment = step.segment
        if not task.token:
            raise SimulationError(
                f"segment '{segment}': a task of {channel.name} is awaited, but issues no token; it never ends the wait"
            )
        self.activity.instructed(segment, step.instructions)
        if task.tokens:
            task.tokens -= 1
            return True
        self.awaits = f"the token of segment '{segment}' from {channel.name}"
        began = self.events.now
        task.awaiting = lambda: self._resume(task, segment, began)
        return False

    def _resume(self, task: Task, segment: str, began: int) -> None:
        task.tokens -= 1
        self.waits.add(began, self.events.now, 0, segment)
        self.events.at(self.events.now, Priority.CONTROLLER, self._continue)


def _argument_name(argument: BlockArgument) -> str:
    return argument.name_hint or f"argument {argument.index}"
