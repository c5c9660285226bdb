"""
A device read once, as values: what the passes on the array level look at instead of operations.

    aie.device   ->   Program: places, buffers, locks, flows, cores, and for each runtime sequence its tasks and steps
    aie.dma_bd   ->   Descriptor: lengths and strides in elements, dimensions outermost first, as they are written

`array_reader` makes them; nothing here is judged. What an operation says twice is kept once, and each value keeps its
operation for messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

from xdsl.ir import Block, Operation, SSAValue

from compiler.hardware.chip import Chip
from compiler.hardware.descriptor_words import Pair, TileKind
from compiler.hardware.routes import kind_of
from dialects.aie import (
    BufferOp,
    CoreOp,
    DeviceOp,
    DMABDOp,
    DMAChannelDir,
    FlowOp,
    LockAction,
    LockOp,
    PacketFlowOp,
    RuntimeSequenceOp,
    ShimDMAAllocationOp,
    TileOp,
)

Place = tuple[int, int]
"""Column and array row."""


@dataclass(frozen=True, eq=False)
class Buffer:
    """A range of a tile's memory; `address` is None where nobody has placed it."""

    op: BufferOp
    place: Place
    name: str
    address: int | None
    bytes: int


@dataclass(frozen=True, eq=False)
class Lock:
    """A lock of a tile; `number` is None where nobody has chosen it."""

    op: LockOp
    place: Place
    name: str
    number: int | None
    initial: int


@dataclass(frozen=True, eq=False)
class LockUse:
    """What a descriptor does to a lock."""

    lock: Lock
    action: LockAction
    count: int


@dataclass(frozen=True, eq=False)
class Descriptor:
    """One buffer descriptor as it is written. `buffer` is None for an argument of the sequence, which is in DDR."""

    op: DMABDOp
    block: Block
    buffer: Buffer | None
    argument: int
    capacity: int
    """Elements of the buffer or argument."""
    element_bits: int
    number: int | None
    offset: int
    length: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[Pair, ...]
    wrap: int
    step: int
    uses: tuple[LockUse, ...]
    packet: Pair | None
    first_run: int
    """The iteration with which it begins."""

    @property
    def moved(self) -> int:
        """Elements that the dimensions move, with padding; the length where there are none."""
        pads = self.padding or ((0, 0),) * len(self.sizes)
        return prod(n + sum(p) for n, p in zip(self.sizes, pads, strict=True)) if self.sizes else self.length

    def uses_of(self, *actions: LockAction) -> list[LockUse]:
        """Its lock operations of some actions."""
        return [use for use in self.uses if use.action in actions]


@dataclass(frozen=True, eq=False)
class Task:
    """A chain of descriptors of one channel. `returns` says that the chain leads back into itself."""

    op: Operation
    place: Place
    direction: DMAChannelDir
    channel: int
    chain: tuple[Descriptor, ...]
    runs: int
    token: bool
    returns: bool = False

    @property
    def kind(self) -> TileKind:
        """Of its tile."""
        return kind_of(self.place)

    @property
    def words(self) -> int:
        """32-bit words that one start moves."""
        return self.runs * sum(d.length * d.element_bits for d in self.chain) // 32

    @property
    def where(self) -> str:
        """For messages."""
        return f"tile {self.place} {self.direction.name} {self.channel}"


@dataclass(frozen=True, eq=False)
class Step:
    """One step of the controller: `what` is configure, start, await or free."""

    op: Operation
    what: str
    task: Task
    segment: str


@dataclass(frozen=True, eq=False)
class Sequence:
    """A runtime sequence."""

    op: RuntimeSequenceOp
    name: str
    steps: tuple[Step, ...]

    @property
    def tasks(self) -> list[Task]:
        """All tasks, in the order in which they are configured."""
        return [step.task for step in self.steps if step.what == "configure"]


@dataclass(eq=False)
class Program:
    """A device."""

    chip: Chip
    device: DeviceOp
    tiles: list[tuple[TileOp, Place]] = field(default_factory=list[tuple[TileOp, Place]])
    places: dict[SSAValue, Place] = field(default_factory=dict[SSAValue, Place])
    buffers: dict[SSAValue, Buffer] = field(default_factory=dict[SSAValue, Buffer])
    locks: dict[SSAValue, Lock] = field(default_factory=dict[SSAValue, Lock])
    cores: list[tuple[CoreOp, Place]] = field(default_factory=list[tuple[CoreOp, Place]])
    flows: list[FlowOp] = field(default_factory=list[FlowOp])
    packet_flows: list[PacketFlowOp] = field(default_factory=list[PacketFlowOp])
    static: list[Task] = field(default_factory=list[Task])
    """Channels that `aie.mem`, `aie.memtile_dma` and `aie.shim_dma` start by themselves."""
    allocations: dict[str, ShimDMAAllocationOp] = field(default_factory=dict[str, ShimDMAAllocationOp])
    sequences: list[Sequence] = field(default_factory=list[Sequence])

    def tasks(self) -> Iterator[Task]:
        """Static channels, then the tasks of every sequence."""
        yield from self.static
        for sequence in self.sequences:
            yield from sequence.tasks
