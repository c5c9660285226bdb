"""Rings of slots go on from task to task, with the descriptors that there are if these stand where a task begins."""

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


def arriving(offset: int, slots: int, runs: int, first: int = 0) -> Task:
    """Into slots of a core."""
    chain = (Descriptor("arena", linear(offset, 16, slots, 16), ("empty", 1), ("full", 1)),)
    return Task((0, 2), DMAChannelDir.S2MM, 1, chain, runs, first=first)


def test_a_ring_goes_on_with_its_descriptor_where_it_stands() -> None:
    issuer = Listing(descriptors=2)
    for task in (arriving(0, 3, 4), arriving(64, 1, 1), arriving(0, 3, 4, first=1)):
        (under_way,) = issuer.start(task)
        issuer.ended(under_way)
    assert [(task.runs, task.first) for task in issuer.written] == [(4, 0), (1, 0)]
    # eight runs have been: it stands at the third slot, and this begins with the second
    (under_way,) = issuer.start(arriving(0, 3, 4, first=1))
    assert under_way.started.written


def test_a_ring_that_begins_elsewhere_has_another_descriptor_while_one_is_under_way() -> None:
    issuer = Listing(descriptors=2)
    (one,) = issuer.start(arriving(0, 2, 1))
    (goes_on,) = issuer.start(arriving(0, 2, 2, first=1))
    (other,) = issuer.start(arriving(0, 2, 2, first=0))
    assert goes_on.started.numbers == one.started.numbers != other.started.numbers
    assert [task.first for task in issuer.written] == [0, 0]
