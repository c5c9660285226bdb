"""Tasks: their channels, their chains of descriptors, and how often they run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from compiler.hardware.chip import Chip
from compiler.hardware.descriptor_words import TileKind
from dialects.aie import DMABDOp, DMAChannelDir, WireBundle
from passes.array_checks.fault import Found, Rule
from passes.array_checks.streams import channel_count, ports
from passes.array_program import Program, Task


def descriptor_numbers(chip: Chip, task: Task) -> range:
    """Descriptors that a task's channel may use: all of a tile's, but half of a MemTile's, by the channel's parity."""
    if task.kind is TileKind.MEMTILE:
        half = chip.memtile_descriptors // 2
        return range(task.channel % 2 * half, (task.channel % 2 + 1) * half)
    return range(chip.shim_descriptors if task.kind is TileKind.SHIM else chip.core_descriptors)


def task_has_a_channel(program: Program) -> Iterator[Found]:
    """A task's channel exists in its tile; upstream writes to another register."""
    for task in program.tasks():
        count = channel_count(program.chip, task.place)
        if not 0 <= task.channel < count:
            yield task.where, f"a {task.kind} has channels 0 to {count - 1} each way"


def channel_has_a_stream(program: Program) -> Iterator[Found]:
    """A flow ends at the channel of a task that receives, and begins at that of one that sends."""
    sends: set[tuple[tuple[int, int], int]] = set()
    receives: set[tuple[tuple[int, int], int]] = set()
    for flow in program.flows:
        for ends, (place, bundle, channel) in zip((sends, receives), ports(program, flow), strict=True):
            if bundle == WireBundle.DMA:
                ends.add((place, channel))
    packets = bool(program.packet_flows)
    told: set[str] = set()
    for task in program.tasks():
        ends = sends if task.direction is DMAChannelDir.MM2S else receives
        by_packet = packets and any(descriptor.packet is not None for descriptor in task.chain)
        if (task.place, task.channel) not in ends and not by_packet and task.where not in told:
            told.add(task.where)
            yield task.where, f"no flow {'begins' if ends is sends else 'ends'} at this channel"


def channel_is_started_once(program: Program) -> Iterator[Found]:
    """A channel is started by aie.dma_start once, and not by tasks as well; upstream queues both."""
    counts = Counter(task.where for task in program.static)
    for where, count in counts.items():
        if count > 1:
            yield where, f"{count} aie.dma_start, one is the rule"
    for where in {task.where for sequence in program.sequences for task in sequence.tasks} & set(counts):
        yield where, "aie.dma_start keeps this channel busy, and tasks are queued on it"


def task_has_descriptors(program: Program) -> Iterator[Found]:
    """Each block of a task is one descriptor: one aie.dma_bd."""
    for task in program.tasks():
        if not task.chain:
            yield task.where, "no block of the task holds an aie.dma_bd"
        body = task.op.regions[0] if task.op.regions else None
        for block in body.blocks if body is not None else ():
            if not any(isinstance(op, DMABDOp) for op in block.ops):
                yield task.where, "a block of the task holds no aie.dma_bd"


def task_ends(program: Program) -> Iterator[Found]:
    """The chain of a task ends; a repeat count runs it again."""
    for sequence in program.sequences:
        for task in sequence.tasks:
            if task.returns:
                yield task.where, "the chain of its descriptors leads back into itself"


def task_runs_in_range(program: Program) -> Iterator[Found]:
    """A task runs 1 to 256 times: the queue keeps 8 bits of runs - 1."""
    limit = program.chip.run_limit
    started = (step.task for sequence in program.sequences for step in sequence.steps if step.what == "start")
    for task in (*program.tasks(), *started):
        if not 1 <= task.runs <= limit:
            yield task.where, f"it runs {task.runs} times, 1 to {limit} is the range"


def descriptor_is_in_reach(program: Program) -> Iterator[Found]:
    """A descriptor's number is one that its channel may use: even MemTile channels the lower half, odd the upper."""
    for task in program.tasks():
        numbers = descriptor_numbers(program.chip, task)
        for descriptor in task.chain:
            if descriptor.number is not None and descriptor.number not in numbers:
                yield (
                    f"{task.where}, descriptor {descriptor.number}",
                    f"this channel uses descriptors {numbers.start} to {numbers.stop - 1}",
                )


def descriptor_has_a_number_of_its_own(program: Program) -> Iterator[Found]:
    """Descriptors of one task have different numbers, and those of sequences are all chosen."""
    for task in program.tasks():
        numbers = [descriptor.number for descriptor in task.chain if descriptor.number is not None]
        if len(set(numbers)) < len(numbers):
            yield task.where, f"its descriptors have the numbers {', '.join(map(str, numbers))}; each needs its own"
    for sequence in program.sequences:
        for task in sequence.tasks:
            if any(descriptor.number is None for descriptor in task.chain):
                yield task.where, "a descriptor has no bd_id"


TASK_RULES: tuple[Rule, ...] = (
    task_has_a_channel,
    channel_has_a_stream,
    channel_is_started_once,
    task_has_descriptors,
    task_ends,
    task_runs_in_range,
    descriptor_is_in_reach,
    descriptor_has_a_number_of_its_own,
)
