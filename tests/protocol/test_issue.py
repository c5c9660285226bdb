"""Rings of slots that go on from task to task keep the descriptors with which they go on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace

from compiler.hardware.chip import chip_named
from compiler.protocol.descriptors import Started
from compiler.protocol.image import linear
from compiler.protocol.issue import Issuer, UnderWay
from compiler.protocol.tasks import Descriptor, Task
from dialects.aie import DMAChannelDir


class Listing(Issuer):
    """Lists what is written."""

    def __init__(self, descriptors: int):
        super().__init__(replace(chip_named("npu1"), core_descriptors=descriptors))
        self.written: list[Task] = []

    def drop(self, dropped: Iterable[tuple[Hashable, int]]) -> None:
        """Of no interest."""

    def write(self, task: Task, started: Started, numbers: tuple[int, ...]) -> None:
        """Remember it."""
        self.written.append(task)

    def push(self, task: Task, started: Started) -> None:
        """Of no interest."""

    def take_token(self, under_way: UnderWay) -> None:
        """Of no interest."""


def arriving(offset: int, slots: int, runs: int, first: int | None = None) -> Task:
    """Into slots of a core."""
    chain = (Descriptor("arena", linear(offset, 16, slots, 16), ("empty", 1), ("full", 1)),)
    return Task((0, 2), DMAChannelDir.S2MM, 1, chain, runs, first=first)


def test_a_ring_does_not_give_way_to_what_comes_before_it() -> None:
    issuer = Listing(descriptors=2)
    for task in (arriving(0, 2, 1, first=0), arriving(64, 1, 1)):
        (under_way,) = issuer.start(task)
        issuer.ended(under_way)
    # the ring stands at its second slot: the first comes by itself, in the place of the other task
    parts = issuer.start(arriving(0, 2, 4, first=0))
    assert [(one.task.runs, one.task.first, one.started.written) for one in parts] == [(1, None, True), (3, 1, False)]
