"""
What a module makes the array do, read from its operations once, whatever is asked about it afterwards.

A simulation runs the same module under several costs of a controller instruction. The program is what these runs
share: the code of the cores, and the controller's steps in the order in which it takes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

ChannelKey = tuple[SSAValue, DMAChannelDir, int]
"""Tile, direction and number."""


@dataclass(frozen=True)
class Launch:
    """A sequence begins; each of its arguments comes with its words, if they are known."""

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
    """The device, the code of its cores, and the steps of all sequences in order."""

    device: DeviceOp
    cores: tuple[tuple[CoreOp, CoreCode], ...]
    steps: tuple[Step, ...]
    launches: int

    @classmethod
    def of(cls, module: ModuleOp, chip: Chip) -> Program:
        """Of a module of level `aie`."""
        device = _device_of(module)
        cores = tuple((op, translate(op, chip)) for op in device.body.ops if isinstance(op, CoreOp))
        steps = tuple(_steps(module, device))
        return cls(device, cores, steps, sum(isinstance(step, Launch) for step in steps))


def _device_of(module: ModuleOp) -> DeviceOp:
    devices = [op for op in module.body.ops if isinstance(op, DeviceOp)]
    if len(devices) != 1:
        raise InputError(
            f"the module has {len(devices)} aie.device; a simulation needs one. Compile to level 'aie' first"
        )
    return devices[0]


def _runs(module: ModuleOp, device: DeviceOp) -> list[tuple[RuntimeSequenceOp, Words | None]]:
    """The sequences in the order in which the host runs them, with the words of each one's weights."""
    sequences = {op.sym_name.data: op for op in device.body.ops if isinstance(op, RuntimeSequenceOp)}
    runs: list[tuple[RuntimeSequenceOp, Words | None]] = []
    images: dict[Operation, Words] = {}
    for op in module.walk():
        if isinstance(op, RunOp):
            image = op.weights.owner
            assert isinstance(image, ImageOp), "the weights argument comes from mem.image"
            if image not in images:
                images[image] = array_of(image.values).reshape(-1)
            runs.append((sequences[op.sequence.string_value()], images[image]))
    return runs or [(sequence, None) for sequence in sequences.values()]


def _steps(module: ModuleOp, device: DeviceOp) -> Iterator[Step]:
    numbers: dict[SSAValue, int] = {}
    places: dict[SSAValue, Place] = {op.result: op.position for op in device.body.ops if isinstance(op, TileOp)}
    tasks: dict[SSAValue, DMAConfigureTaskOp] = {}
    for sequence, weights in _runs(module, device):
        arguments = sequence.body.block.args
        yield Launch(
            tuple((value, weights if index == WEIGHTS_ARGUMENT else None) for index, value in enumerate(arguments))
        )
        bursts = Bursts()
        for op in sequence.body.block.ops:
            match op:
                case DMAConfigureTaskOp():
                    numbers[op.result], tasks[op.result] = len(numbers), op
                    channel = (op.tile, op.channel_direction, int_value(op.channel))
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
