"""
Descriptors: whether their fields hold what they say, and whether they touch only what they may.

A rule here looks at one descriptor of one task and returns what is wrong with it, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps

from compiler.hardware.chip import Chip
from compiler.hardware.descriptor_words import DIMENSIONS, LAYOUTS, TileKind
from dialects.aie import DMAChannelDir, LockAction, int_value
from passes.array_checks.fault import Found, Rule
from passes.array_program import Descriptor, Program, Task

DescriptorRule = Callable[[Chip, Task, Descriptor], str | None]

WORD_BITS = 32
NEIGHBOUR_CHANNELS = 4
"""MemTile channels below this one reach the neighbouring MemTiles (upstream's target model)."""
BURSTS = (0, 64, 128, 256, 512)
"""Bytes; 0 is the longest, 512 exists on AIE2P (upstream's target model)."""


def each_descriptor(rule: DescriptorRule) -> Rule:
    """The rule for a whole program."""

    @wraps(rule)
    def over_all(program: Program) -> Iterator[Found]:
        chip = program.chip
        for task in program.tasks():
            for descriptor in task.chain:
                found = rule(chip, task, descriptor)
                if found is not None:
                    yield f"{task.where}, descriptor {descriptor.number}", found

    return over_all


def _limit(task: Task, field: str) -> int:
    return LAYOUTS[task.kind][field].limit


def _in_words(value: int, descriptor: Descriptor) -> int:
    return value if descriptor.element_bits == WORD_BITS else -(-value * descriptor.element_bits // WORD_BITS)


def length_fits(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """A descriptor moves at least one word and no more than its length field counts."""
    limits = {TileKind.CORE: chip.core_length_limit, TileKind.MEMTILE: chip.memtile_length_limit}
    limit = limits.get(task.kind, _limit(task, "length"))
    words = _in_words(descriptor.length, descriptor)
    return None if 1 <= words <= limit else f"it moves {words} words, 1 to {limit} is the range"


def length_is_what_dimensions_move(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """The length is the product of the sizes, padding included: hardware stops at the length, or runs on."""
    if descriptor.moved == descriptor.length:
        return None
    return f"its length is {descriptor.length}, its dimensions {descriptor.sizes} move {descriptor.moved}"


def moves_whole_words(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """Offset, length, runs and all strides but the innermost, which is 1, are whole 32-bit words."""
    bits = descriptor.element_bits
    if bits == WORD_BITS:
        return None
    inner = descriptor.strides[-1:] or (1,)
    if inner != (1,):
        return f"elements of {bits} bits are moved in runs; the innermost stride is {inner[0]}"
    step = (descriptor.step,) if descriptor.wrap > 1 else ()
    for name, values in (
        ("offset", (descriptor.offset,)),
        ("length", (descriptor.length,)),
        ("run", descriptor.sizes[-1:]),
        ("stride", descriptor.strides[:-1]),
        ("iteration step", step),
        ("padding", descriptor.padding[-1] if descriptor.padding else ()),
    ):
        for value in values:
            if value * bits % WORD_BITS:
                return f"a {name} of {value} elements of {bits} bits is {value * bits / 8:g} bytes, no multiple of 4"
    return None


def has_no_more_dimensions_than_fields(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """A core's or a shim's descriptor has three data dimensions, a MemTile's four."""
    limit = DIMENSIONS[task.kind]
    found = len(descriptor.sizes)
    return None if found <= limit else f"{found} dimensions, a {task.kind} descriptor has {limit}"


def sizes_fit(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """
    Sizes are at least 1 and fit their wrap: in a core 255 (256 is stored as 0), in a MemTile 512, in a shim 1023.

    The outermost size of a MemTile or a shim ends with the length and may be larger, and so does a core's third one,
    for which its descriptors have no field (AM025).
    """
    limits = {TileKind.CORE: chip.core_wrap_limit, TileKind.MEMTILE: chip.memtile_wrap_limit}
    limit = limits.get(task.kind, _limit(task, "wrap_0"))
    last = len(descriptor.sizes) - 1
    for dimension, size in enumerate(descriptor.sizes):
        words = _in_words(size, descriptor) if dimension == last else size
        endless = task.kind is not TileKind.CORE or last == DIMENSIONS[TileKind.CORE] - 1
        free = dimension == 0 and endless and not descriptor.padding
        if words < 1 or (words > limit and not free):
            return f"size {words} in dimension {dimension}, 1 to {limit} is the range"
    return None


def strides_fit(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """Strides are at least 1 and fit their step field, which is stored minus one."""
    limit = chip.memtile_step_limit if task.kind is TileKind.MEMTILE else _limit(task, "step_0") + 1
    for dimension, stride in enumerate(descriptor.strides):
        words = _in_words(stride, descriptor)
        if not 1 <= words <= limit:
            return f"stride {words} in dimension {dimension}, 1 to {limit} words is the range"
    return None


def iteration_fits(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """
    An iteration counts 1 to 64, begins with one of these, and moves on by a step that fits its field; 65 is stored as
    1.
    """
    if not 1 <= descriptor.wrap <= chip.iteration_limit:
        return f"{descriptor.wrap} iterations, 1 to {chip.iteration_limit} is the range"
    if not 0 <= descriptor.first_run < descriptor.wrap:
        return f"it begins with iteration {descriptor.first_run}, 0 to {descriptor.wrap - 1} is the range"
    limit = _limit(task, "iteration_step") + 1
    step = _in_words(descriptor.step, descriptor)
    if descriptor.wrap > 1 and not 1 <= step <= limit:
        return f"an iteration step of {step}, 1 to {limit} words is the range"
    return None


def padding_fits(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """Only a sending MemTile pads, with zeros: 63 words, 31 rows, 15 planes at most, and nothing outside of that."""
    if descriptor.op.pad_value is not None and int_value(descriptor.op.pad_value):
        return f"pad_value {int_value(descriptor.op.pad_value)}; nothing writes it, so it is 0"
    if not descriptor.padding:
        return None
    if task.kind is not TileKind.MEMTILE or task.direction is not DMAChannelDir.MM2S:
        return "it pads; only a MemTile's descriptor that sends (MM2S) can"
    if len(descriptor.padding) != len(descriptor.sizes):
        return f"{len(descriptor.padding)} paddings for {len(descriptor.sizes)} dimensions"
    for index, pads in enumerate(reversed(descriptor.padding)):
        field = LAYOUTS[task.kind].get(f"before_{index}")
        limit = field.limit if field is not None else 0
        words = [_in_words(pad, descriptor) if index == 0 else pad for pad in pads]
        if not all(0 <= pad <= limit for pad in words):
            return f"padding {tuple(words)} of dimension {len(descriptor.sizes) - 1 - index}, 0 to {limit} is the range"
    return None


def stays_in_its_buffer(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """Every element that any run visits lies in the descriptor's buffer."""
    reach = sum((size - 1) * stride for size, stride in zip(descriptor.sizes, descriptor.strides, strict=True))
    if not descriptor.sizes:
        reach = descriptor.length - 1
    last = descriptor.offset + reach + (descriptor.wrap - 1) * descriptor.step
    if 0 <= descriptor.offset and last < descriptor.capacity:
        return None
    return f"it visits elements {descriptor.offset} to {last} of a buffer of {descriptor.capacity}"


def reaches_its_memory(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """DDR is the shims'; a core's engine sees its own tile, a MemTile's also its neighbours', by channels 0 to 3."""
    buffer = descriptor.buffer
    if buffer is None:
        return None if task.kind is TileKind.SHIM else f"it moves an argument, which is in DDR; a {task.kind} sees none"
    if task.kind is TileKind.SHIM:
        return f"it moves {buffer.name} of tile {buffer.place}; a shim sees DDR only"
    return _unreachable(chip, task, buffer.place, buffer.name)


def _unreachable(chip: Chip, task: Task, place: tuple[int, int], name: str) -> str | None:
    if place == task.place:
        return None
    near = task.kind is TileKind.MEMTILE and place[1] == task.place[1] and abs(place[0] - task.place[0]) == 1
    channels = max(NEIGHBOUR_CHANNELS, chip.core_rows)
    if near and task.channel < channels:
        return None
    reach = f"neighbours are for channels 0 to {channels - 1}" if near else "this engine does not reach it"
    return f"it uses {name} of tile {place}; {reach}"


def reaches_its_locks(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """Locks are where memory may be, and both locks of a descriptor are in one tile."""
    for use in descriptor.uses:
        found = _unreachable(chip, task, use.lock.place, use.lock.name)
        if found is not None:
            return found
    places = {use.lock.place for use in descriptor.uses}
    return (
        f"its locks lie in tiles {', '.join(map(str, sorted(places)))}, one tile is the rule"
        if len(places) > 1
        else None
    )


def takes_a_lock_and_gives_one(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """A descriptor has no lock operations, or one AcquireGreaterEqual and one Release; upstream aborts on one alone."""
    actions = [use.action for use in descriptor.uses]
    if not actions or sorted(actions) == [LockAction.Release, LockAction.AcquireGreaterEqual]:
        return None
    return f"its lock operations are {', '.join(action.name for action in actions)}"


def changes_locks_in_range(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """A descriptor acquires and releases 1 to 63."""
    for use in descriptor.uses:
        if not 1 <= use.count <= chip.lock_limit:
            return f"{use.action.name} of {use.lock.name} by {use.count}, 1 to {chip.lock_limit} is the range"
    return None


def slot_is_passed_on(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """A core's descriptor releases as many slots as it acquires: what it filled is full, what it emptied is empty."""
    if task.kind is not TileKind.CORE or len(descriptor.uses) != 2:
        return None
    first, second = descriptor.uses
    if first.count == second.count:
        return None
    return f"{first.count} of {first.lock.name} become {second.count} of {second.lock.name}"


def packet_has_a_header(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """A packet's type is 0 to 7 and its id 0 to 31."""
    if descriptor.packet is None:
        return None
    kind, number = descriptor.packet
    fits = 0 <= kind <= _limit(task, "packet_type") and 0 <= number <= _limit(task, "packet_id")
    return None if fits else f"packet type {kind} and id {number}; 0 to 7 and 0 to 31 are the ranges"


def burst_exists(chip: Chip, task: Task, descriptor: Descriptor) -> str | None:
    """Bursts are a shim's, of 64, 128 or 256 bytes; 512 too on AIE2P; 0 is the longest."""
    burst = descriptor.op.burst_length
    if burst is None or not int_value(burst):
        return None
    if task.kind is not TileKind.SHIM or int_value(burst) not in BURSTS:
        return f"burst_length {int_value(burst)}; shims have {', '.join(map(str, BURSTS))}, other tiles none"
    return None


DESCRIPTOR_RULES: tuple[DescriptorRule, ...] = (
    length_fits,
    length_is_what_dimensions_move,
    moves_whole_words,
    has_no_more_dimensions_than_fields,
    sizes_fit,
    strides_fit,
    iteration_fits,
    padding_fits,
    stays_in_its_buffer,
    reaches_its_memory,
    reaches_its_locks,
    takes_a_lock_and_gives_one,
    changes_locks_in_range,
    slot_is_passed_on,
    packet_has_a_header,
    burst_exists,
)
