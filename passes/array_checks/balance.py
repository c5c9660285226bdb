"""Balance over a sequence: words on streams, and counts of locks that only DMA engines use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from compiler.hardware.descriptor_words import TileKind
from compiler.hardware.routes import kind_of
from dialects.aie import DMAChannelDir, LockAction, WireBundle
from passes.array_checks.fault import Found, Rule
from passes.array_checks.progress import ChannelKey, key_of
from passes.array_checks.streams import port_name, ports
from passes.array_program import Lock, Program, Sequence


def _words(sequence: Sequence) -> dict[ChannelKey, int]:
    """Words that each channel moves in a sequence."""
    total: dict[ChannelKey, int] = defaultdict(int)
    for step in sequence.steps:
        if step.what == "start":
            total[key_of(step.task)] += step.task.words
    return total


def stream_is_balanced(program: Program) -> Iterator[Found]:
    """What the source of a flow sends in a sequence is what its destination receives; the rest would wait for ever."""
    static = {key_of(task) for task in program.static}
    for sequence in program.sequences:
        words = _words(sequence)
        for flow in program.flows:
            source, destination = ports(program, flow)
            if source[1] != WireBundle.DMA or destination[1] != WireBundle.DMA:
                continue
            sender = (source[0], DMAChannelDir.MM2S, source[2])
            receiver = (destination[0], DMAChannelDir.S2MM, destination[2])
            if sender in static or receiver in static:
                continue
            sent, received = words.get(sender, 0), words.get(receiver, 0)
            if sent != received:
                yield (
                    f"flow from {port_name(source)} to {port_name(destination)}",
                    f"{sent} words are sent and {received} received in @{sequence.name}",
                )


def memtile_lock_is_balanced(program: Program) -> Iterator[Found]:
    """A MemTile's locks, which only DMA engines use, end a sequence as they began it: released as much as acquired."""
    static = {use.lock for task in program.static for descriptor in task.chain for use in descriptor.uses}
    for sequence in program.sequences:
        acquired: dict[Lock, int] = defaultdict(int)
        released: dict[Lock, int] = defaultdict(int)
        for step in sequence.steps:
            if step.what != "start":
                continue
            for descriptor in step.task.chain:
                for use in descriptor.uses:
                    if kind_of(use.lock.place) is TileKind.MEMTILE and use.lock not in static:
                        side = released if use.action is LockAction.Release else acquired
                        side[use.lock] += use.count * step.task.runs
        for lock in {**acquired, **released}:
            if acquired[lock] != released[lock]:
                yield (
                    f"lock {lock.name}",
                    f"from {lock.initial}, {acquired[lock]} acquired and {released[lock]} released in @{sequence.name}",
                )


BALANCE_RULES: tuple[Rule, ...] = (stream_is_balanced, memtile_lock_is_balanced)
