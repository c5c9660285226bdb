"""
Tasks in the words of the hardware: descriptor fields, their addresses, and the queue entry of a start.

Offsets, sizes and strides in elements become words; buffers and locks of neighbouring MemTiles get the addresses at
which this tile's engine sees them. What cannot be said in words is refused with the place (CapacityError).
"""

from __future__ import annotations

from compiler.errors import BlockloomError, CapacityError, InputError
from compiler.hardware.bursts import Awaited, Described, Pushed
from compiler.hardware.descriptor_words import (
    MEMTILE_WINDOW_LOCKS,
    MEMTILE_WINDOW_WORDS,
    DescriptorFields,
    Pair,
    TileKind,
    encode,
    moved_words,
)
from compiler.hardware.dma_registers import queue_word
from dialects.aie import DMAChannelDir, LockAction
from passes.array_program import Descriptor, LockUse, Place, Task

WORD_BITS = 32
WORD_BYTES = 4


def descriptor_number(descriptor: Descriptor, task: Task) -> int:
    """The number of a descriptor; tasks are lowered after numbers were given."""
    if descriptor.number is None:
        raise InputError(f"{task.where}: a descriptor has no bd_id; give each one a number before lowering its task")
    return descriptor.number


def _window(place: Place, other: Place) -> int:
    """Which of the three MemTiles that an engine sees (0 west, 1 its own, 2 east) `other` is."""
    column = other[0] - place[0] + 1
    if other[1] != place[1] or not 0 <= column <= 2:
        raise CapacityError(f"a MemTile's descriptor reaches its western and eastern neighbour, not tile {other}")
    return column


def _words(elements: int, bits: int, what: str) -> int:
    """Elements in whole words."""
    words, rest = divmod(elements * bits, WORD_BITS)
    if rest:
        raise CapacityError(f"{what} of {elements} elements of {bits} bits is no whole number of 32-bit words")
    return words


def _base(descriptor: Descriptor, task: Task) -> int:
    """Where the descriptor begins, as its engine counts; 0 in DDR, where the host's address is patched in."""
    buffer = descriptor.buffer
    if buffer is None:
        if task.kind is not TileKind.SHIM:
            raise CapacityError("only shims reach DDR")
        return 0
    if task.kind is TileKind.SHIM:
        raise CapacityError(f"a shim reaches DDR only, not {buffer.name}")
    if buffer.address is None:
        raise InputError(f"{buffer.name} has no address")
    base = _words(buffer.address, 8, "an address") + _words(descriptor.offset, descriptor.element_bits, "an offset")
    if task.kind is TileKind.MEMTILE:
        return base + _window(task.place, buffer.place) * MEMTILE_WINDOW_WORDS
    if buffer.place != task.place:
        raise CapacityError(f"a core's descriptor reaches its own tile's memory, not {buffer.name}")
    return base


def _lock(uses: list[LockUse], task: Task) -> Pair | None:
    """Number, as the engine counts, and amount of the only lock operation of its kind."""
    if not uses:
        return None
    (use,) = uses
    if use.lock.number is None:
        raise InputError(f"{use.lock.name} has no number")
    if task.kind is TileKind.MEMTILE:
        return use.lock.number + _window(task.place, use.lock.place) * MEMTILE_WINDOW_LOCKS, use.count
    if use.lock.place != task.place:
        raise CapacityError(f"a descriptor uses locks of its own tile, not {use.lock.name}")
    return use.lock.number, use.count


def _locks(descriptor: Descriptor, task: Task) -> tuple[Pair | None, Pair | None]:
    """What is acquired and what is released."""
    acquires = descriptor.uses_of(LockAction.AcquireGreaterEqual)
    releases = descriptor.uses_of(LockAction.Release)
    if len(acquires) != len(releases) or len(acquires) > 1 or len(acquires) + len(releases) != len(descriptor.uses):
        raise CapacityError(
            f"a descriptor has no lock operation, or one AcquireGreaterEqual and one Release; found "
            f"{', '.join(use.action.name for use in descriptor.uses)}"
        )
    return _lock(acquires, task), _lock(releases, task)


def _fields(descriptor: Descriptor, task: Task, following: int | None) -> DescriptorFields:
    bits = descriptor.element_bits
    sizes, strides = list(descriptor.sizes), list(descriptor.strides)
    padding = list(descriptor.padding)
    if sizes and bits != WORD_BITS:
        if strides[-1] != 1:
            raise CapacityError(f"elements of {bits} bits are moved in runs; the innermost stride is {strides[-1]}")
        sizes[-1] = _words(sizes[-1], bits, "a run")
        strides[:-1] = [_words(stride, bits, "a stride") for stride in strides[:-1]]
        if padding:
            before, after = padding[-1]
            padding[-1] = (_words(before, bits, "padding"), _words(after, bits, "padding"))
    if padding and task.direction is not DMAChannelDir.MM2S:
        raise CapacityError("padding is added while sending (MM2S) only")
    acquire, release = _locks(descriptor, task)
    return DescriptorFields(
        _words(descriptor.length, bits, "a length"),
        _base(descriptor, task),
        tuple(sizes),
        tuple(strides),
        tuple(padding),
        descriptor.wrap,
        _words(descriptor.step, bits, "an iteration step") if descriptor.wrap > 1 else 1,
        acquire,
        release,
        following,
        descriptor.packet,
        descriptor.first_run,
    ).normalised()


def descriptor_words(task: Task) -> list[tuple[int, tuple[int, ...]]]:
    """Number and words of each descriptor of a task. Raises CapacityError, with the place, for what has no words."""
    if task.returns:
        raise CapacityError(f"{task.where}: the chain of a task ends; this one leads back into itself")
    numbers = [descriptor_number(descriptor, task) for descriptor in task.chain]
    written: list[tuple[int, tuple[int, ...]]] = []
    for number, following, descriptor in zip(numbers, [*numbers[1:], None], task.chain, strict=True):
        try:
            fields = _fields(descriptor, task, following)
            moved = moved_words(fields)
            if moved != fields.length:
                raise CapacityError(f"its length is {fields.length} words, its dimensions move {moved}")
            written.append((number, encode(task.kind, fields)))
        except BlockloomError as error:
            raise CapacityError(f"{task.where}, descriptor {number}: {error}") from error
    return written


def described(task: Task) -> Described:
    """The descriptors of a task, as the controller writes them."""
    numbers = tuple(descriptor_number(descriptor, task) for descriptor in task.chain)
    return Described(task.place, task.kind, numbers, sum(descriptor.buffer is None for descriptor in task.chain))


def pushed(task: Task) -> Pushed:
    """The start of a task."""
    return Pushed(task.place, task.kind, task.direction is DMAChannelDir.MM2S, task.channel)


def awaited(task: Task) -> Awaited:
    """The wait for a task's token."""
    return Awaited(task.place, task.kind, task.direction is DMAChannelDir.MM2S, task.channel)


def start_word(task: Task) -> int:
    """What a start writes to the queue of its channel."""
    try:
        return queue_word(task.kind, descriptor_number(task.chain[0], task), task.runs, task.token)
    except CapacityError as error:
        raise CapacityError(f"{task.where}: {error}") from error


def argument_bytes(descriptor: Descriptor) -> int:
    """Byte offset of a descriptor in its argument."""
    return descriptor.offset * descriptor.element_bits // 8
