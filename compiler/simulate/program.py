"""
What a module makes the array do, read from its operations once, whatever is asked about it afterwards.

A simulation runs the same module under several costs of a controller instruction. The program is what these runs
share: the code of the cores, and the controller's steps in the order in which it takes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import BlockArgument, Operation, SSAValue

from compiler.errors import InputError
from compiler.hardware.bursts import Awaited, Bursts, Described, Place, Pushed
from compiler.hardware.chip import Chip
from compiler.hardware.descriptor_words import TileKind
from compiler.hardware.routes import kind_of
from compiler.simulate.core_code import CoreCode, translate
from compiler.simulate.descriptors import TaskForm, read_task
from compiler.simulate.events import SimulationError
from compiler.simulate.memory import Words
from dialects.aie import CoreOp, DeviceOp, DMABDOp, DMAChannelDir, RuntimeSequenceOp, TileOp, int_value
from dialects.aiex import DMAAwaitTaskOp, DMAConfigureTaskOp, DMAFreeTaskOp, DMAStartTaskOp
from dialects.bsr import array_of
from dialects.mem import ImageOp, RunOp
from dialects.notes import SEGMENT

UNNAMED = "unnamed"

WEIGHTS_ARGUMENT = 1
"""Of a runtime sequence; the argument before it holds activations."""

ChannelKey = tuple[Place, DMAChannelDir, int]
"""Tile, direction and number; the same in every configuration."""


@dataclass(frozen=True)
class Launch:
    """
    A sequence begins, perhaps with the array loaded anew before it; each of its arguments comes with its words, if they
    are known.
    """

    reconfigures: bool
    arguments: tuple[tuple[BlockArgument, Words | None], ...]


@dataclass(frozen=True)
class Configure:
    """The descriptors of a task are written, with the instructions that this takes beside those before it."""

    task: int
    channel: ChannelKey
    form: TaskForm
    instructions: int


@dataclass(frozen=True)
class Start:
    """A push to the queue of the task's channel: an instruction, or a part of the one before."""

    task: int
    runs: int
    segment: str
    instructions: int


@dataclass(frozen=True)
class Await:
    """Wait for a task's token: a sync, or a part of the one before."""

    task: int
    segment: str
    instructions: int


Step = Launch | Configure | Start | Await
"""Tasks are numbered in the order in which they are configured, so that nothing is looked up by operation."""


@dataclass(frozen=True)
class Program:
    """The device of each configuration, the code of their cores, and the steps of all sequences in order."""

    devices: tuple[DeviceOp, ...]
    cores: tuple[tuple[CoreOp, CoreCode], ...]
    steps: tuple[Step, ...]

    @property
    def launches(self) -> int:
        """How often a sequence begins."""
        return sum(isinstance(step, Launch) for step in self.steps)

    @property
    def reconfigurations(self) -> int:
        """How often the array is loaded anew."""
        return sum(isinstance(step, Launch) and step.reconfigures for step in self.steps)

    @classmethod
    def of(cls, module: ModuleOp, chip: Chip) -> Program:
        """Of a module of level `aie`."""
        devices = tuple(op for op in module.body.ops if isinstance(op, DeviceOp))
        if not devices:
            raise InputError("the module has no aie.device; a simulation needs one. Compile to level 'aie' first")
        cores = tuple(
            (op, translate(op, chip)) for device in devices for op in device.body.ops if isinstance(op, CoreOp)
        )
        return cls(devices, cores, tuple(_steps(module, devices)))


def _runs(module: ModuleOp, devices: Sequence[DeviceOp]) -> Iterator[tuple[RuntimeSequenceOp, int, Words | None]]:
    """The sequences in the order in which the host runs them, with their configuration and the words of the weights."""
    sequences = {
        op.sym_name.data: (op, number)
        for number, device in enumerate(devices)
        for op in device.body.ops
        if isinstance(op, RuntimeSequenceOp)
    }
    runs = [op for op in module.walk() if isinstance(op, RunOp)]
    images: dict[Operation, Words] = {}
    for op in runs:
        image = op.weights.owner
        assert isinstance(image, ImageOp), "the weights argument comes from mem.image"
        if image not in images:
            images[image] = array_of(image.values).reshape(-1)
        yield *sequences[op.sequence.string_value()], images[image]
    if not runs:
        yield from ((*sequence, None) for sequence in sequences.values())


def _steps(module: ModuleOp, devices: Sequence[DeviceOp]) -> Iterator[Step]:
    numbers: dict[SSAValue, int] = {}
    tiles = (op for device in devices for op in device.body.ops if isinstance(op, TileOp))
    places: dict[SSAValue, Place] = {op.result: op.position for op in tiles}
    tasks: dict[SSAValue, DMAConfigureTaskOp] = {}
    before: int | None = None
    for sequence, configuration, weights in _runs(module, devices):
        arguments = sequence.body.block.args
        yield Launch(
            before not in (None, configuration),
            tuple((value, weights if index == WEIGHTS_ARGUMENT else None) for index, value in enumerate(arguments)),
        )
        before = configuration
        bursts = Bursts()
        for op in sequence.body.block.ops:
            match op:
                case DMAConfigureTaskOp():
                    numbers[op.result], tasks[op.result] = len(numbers), op
                    channel = (places[op.tile], op.channel_direction, int_value(op.channel))
                    writes = bursts.count(_described(op, places[op.tile])).instructions
                    yield Configure(numbers[op.result], channel, read_task(op), writes)
                case DMAStartTaskOp():
                    push = bursts.count(Pushed(*_channel(tasks[op.task], places))).instructions
                    yield Start(numbers[op.task], op.runs(tasks[op.task]), _segment_of(op), push)
                case DMAAwaitTaskOp():
                    sync = bursts.count(Awaited(*_channel(tasks[op.task], places))).instructions
                    yield Await(numbers[op.task], _segment_of(op), sync)
                case DMAFreeTaskOp():
                    pass
                case _:
                    raise SimulationError(
                        f"the runtime sequence holds '{op.name}'; simulated are aiex.dma_configure_task, "
                        "dma_start_task, dma_await_task and dma_free_task"
                    )


def _segment_of(op: Operation) -> str:
    """The layer an operation of the sequence belongs to."""
    name = op.attributes.get(SEGMENT)
    return name.data if isinstance(name, StringAttr) else UNNAMED


def _channel(op: DMAConfigureTaskOp, places: Mapping[SSAValue, Place]) -> tuple[Place, TileKind, bool, int]:
    """Whose queue a task goes to."""
    place = places[op.tile]
    return place, kind_of(place), op.channel_direction is DMAChannelDir.MM2S, int_value(op.channel)


def _described(op: DMAConfigureTaskOp, place: Place) -> Described:
    """The descriptors of a task; one without a number lies apart from all others."""
    found = [part for part in op.walk() if isinstance(part, DMABDOp)]
    numbers = tuple(-2 * index if part.bd_id is None else int_value(part.bd_id) for index, part in enumerate(found))
    return Described(place, kind_of(place), numbers, sum(isinstance(part.buffer, BlockArgument) for part in found))
