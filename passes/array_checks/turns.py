"""
The tasks of a core in turns: those that belong to one launch, as far as a sequence shows it.

A turn ends with an output whose receiver issues a token there. What comes behind the last such output belongs to a turn
of which nothing is known.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from compiler.hardware.descriptor_words import TileKind
from dialects.aie import DMAChannelDir, WireBundle
from passes.array_checks.progress import ChannelKey, key_of
from passes.array_checks.streams import ports
from passes.array_program import Place, Program, Sequence, Task

Streams = dict[ChannelKey, list[ChannelKey]]
"""Destinations of every source that is a channel."""


@dataclass(eq=False)
class Turn:
    """How many inputs and outputs of a core belong together, and what must have been asked of those who receive."""

    inputs: int = 0
    outputs: int = 0
    wanted: dict[ChannelKey, int] = field(default_factory=dict[ChannelKey, int])
    """Words that a receiver has been asked for, from the beginning of the sequence, when it takes the last output."""
    has_an_end: bool = False


def streams_of(program: Program) -> Streams:
    """All flows between channels."""
    found: Streams = defaultdict(list)
    for flow in program.flows:
        (place, bundle, channel), (to, to_bundle, to_channel) = ports(program, flow)
        if bundle == to_bundle == WireBundle.DMA:
            found[place, DMAChannelDir.MM2S, channel].append((to, DMAChannelDir.S2MM, to_channel))
    return found


def _words_with_a_token(starts: list[Task]) -> dict[ChannelKey, set[int]]:
    """For every channel the words after which it issues a token."""
    received: dict[ChannelKey, int] = defaultdict(int)
    told: dict[ChannelKey, set[int]] = defaultdict(set)
    for task in starts:
        received[key_of(task)] += task.words
        if task.token:
            told[key_of(task)].add(received[key_of(task)])
    return told


def turns_of(sequence: Sequence, streams: Streams) -> tuple[list[int], dict[Place, list[Turn]]]:
    """The turn of each start, which is 0 for what is on no core, and the turns of each core."""
    starts = [step.task for step in sequence.steps if step.what == "start"]
    told = _words_with_a_token(starts)
    sent: dict[ChannelKey, int] = defaultdict(int)
    numbers: list[int] = []
    turns: dict[Place, list[Turn]] = defaultdict(list)
    for task in starts:
        if task.kind is not TileKind.CORE:
            numbers.append(0)
            continue
        mine, key = turns[task.place], key_of(task)
        if not mine or mine[-1].has_an_end:
            mine.append(Turn())
        turn = mine[-1]
        numbers.append(len(mine) - 1)
        if task.direction is DMAChannelDir.S2MM:
            turn.inputs += 1
            continue
        turn.outputs += 1
        sent[key] += task.words
        for receiver in streams.get(key, ()):
            turn.wanted[receiver] = sent[key]
            turn.has_an_end = turn.has_an_end or sent[key] in told[receiver]
    return numbers, turns
