"""
One invocation in the order in which the controller works through it.

What the next launch needs is pushed while a launch runs, as far as queues and descriptors have room for both; the
weights of all launches come by themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field

from xdsl.ir import Operation, SSAValue

from compiler.errors import InputError
from compiler.protocol.copies import Copy, CopyWriter
from compiler.protocol.feed import WeightFeed
from compiler.protocol.image import Image
from compiler.protocol.issue import Issuer, UnderWay, have_room
from compiler.protocol.launch import LaunchTasks, LaunchWriter
from compiler.protocol.loads import launches_behind_fills, load_task, loaded_together
from compiler.protocol.tasks import Task
from dialects import mem
from dialects.notes import WEIGHT_STREAM

SPARE_DESCRIPTORS = 3
"""Of each half of a MemTile's: for two copies that come before the next launch, and for the last page of weights."""


@dataclass(eq=False)
class _Launch:
    """A launch: its tasks, and those of them that have been started."""

    tasks: LaunchTasks
    running: list[UnderWay] = field(default_factory=list[UnderWay])
    early_done: bool = False
    loads: list[Task] = field(default_factory=list[Task])
    """What loads the words of this launch and of others after it; they belong to none."""
    load_ends: int = 0
    """The launch with which they end."""
    prepared: list[UnderWay] = field(default_factory=list[UnderWay])
    """Tasks that are not pushed yet, though their descriptors are written."""
    runs: bool = False
    """Whether all of it has been started, and nobody has waited for its end yet."""


def _by_channel(under_way: UnderWay) -> tuple[int, int]:
    """Channel and column of a task of a MemTile."""
    return under_way.task.channel, under_way.task.place[0]


class Sequence:
    """Hands the tasks of an invocation to `tasks`, op by op."""

    def __init__(self, tasks: Issuer, image: Image, parameters_word: int, invocation: mem.InvokeOp):
        self.tasks = tasks
        self.copies = CopyWriter(tasks.chip, tasks)
        self.copying: dict[SSAValue, Copy] = {}
        ops = [(op, s) for s in invocation.segments for op in s.body.block.ops if isinstance(op, mem.LaunchOp)]
        writer = LaunchWriter(tasks.chip, image, parameters_word)
        filled = launches_behind_fills(invocation)
        self.launches = [
            _Launch(writer.tasks(op, segment.segment_name.data, number in filled))
            for number, (op, segment) in enumerate(ops)
        ]
        users = defaultdict[Hashable, list[int]](list)
        for number, launch in enumerate(self.launches):
            for task in (*launch.tasks.early, *launch.tasks.late):
                users[task].append(number)
        tasks.book.users = users
        self.loading: dict[int, list[UnderWay]] = {}
        """Tasks that load what launches need, by the launch with which they end."""
        for group in loaded_together(len(ops), filled):
            first, made = self.launches[group.start], [self.launches[number].tasks for number in group]
            first.load_ends = group[-1]
            columns = enumerate(zip(*(each.loaded for each in made), strict=True))
            first.loads = [
                load_task(column, [part for each in parts for part in each], image) for column, parts in columns
            ]
        self.numbers: dict[SSAValue, int] = {op.token: number for number, (op, _) in enumerate(ops)}
        self.segments = {segment: number for number, segment in enumerate(invocation.segments)}
        self.feed = WeightFeed(tasks.chip, tasks, image, [(op, self.segments[segment]) for op, segment in ops])

    def begin(self, segment: mem.SegmentOp) -> None:
        """A segment begins: all those before it have ended."""
        self.feed.segment_begins(self.segments[segment])

    def run(self, op: Operation, segment: mem.SegmentOp) -> None:
        """One op of a segment."""
        self.tasks.enter(segment.segment_name.data)
        match op:
            case mem.CopyOp():
                while (token := self.in_the_way(op, segment)) is not None:
                    self.finish(token)
                self.copying[op.token] = self.copies.start(op, segment.segment_name.data)
            case mem.LaunchOp():
                self.launch(self.numbers[op.token])
            case mem.WaitOp():
                for token in op.tokens:
                    self.finish(token)
            case mem.WeightsOp():
                pass
            case _:
                raise InputError(f"a segment holds {op.name}, which is no task of the array")

    def in_the_way(self, op: mem.CopyOp, segment: mem.SegmentOp) -> SSAValue | None:
        """
        The copy or launch that has to end before a copy can be started: the first of its queue if that is full, or the
        launch that runs if there are no descriptors beside it and the pages of weights.
        """
        self.feed.bring_later()
        before = self.copies.first_in_queue(op)
        if before is not None:
            return before.op.token
        if have_room(self.tasks, self.copies.tasks_of(op, segment.segment_name.data)):
            return None
        return next((token for token, number in self.numbers.items() if self.launches[number].runs), None)

    def finish(self, token: SSAValue) -> None:
        """Wait for a copy or a launch, unless that has been done."""
        if token not in self.numbers:
            self.feed.bring_later()
            self.copies.finish(self.copying[token])
        elif self.launches[self.numbers[token]].runs:
            self.finish_launch(self.numbers[token])

    def launch(self, number: int) -> None:
        """What this launch still needs, and what the next one can have beside it."""
        launch, late = self.launches[number], self.launches[number].tasks.late
        launch.runs, self.tasks.book.launch = True, number
        if not launch.early_done:
            self._load(launch)
            self._start(launch, launch.tasks.early)
        self.tasks.enter(launch.tasks.segment)
        if launch.prepared:
            self.tasks.push_prepared(launch.prepared)
            launch.running += launch.prepared
        else:
            self._start(launch, late)
        self.feed.bring_later()
        if number + 1 < len(self.launches) and self.launches[number + 1].tasks.may_be_early:
            self.tasks.book.launch = number + 1
            self._ahead(self.launches[number + 1])

    def _ahead(self, launch: _Launch) -> None:
        """What can be done of a launch while the one before runs."""
        early, late = launch.tasks.early, launch.tasks.late
        if not have_room(self.tasks, [*launch.loads, *early]):
            return
        launch.early_done = True
        self._load(launch)
        if have_room(self.tasks, early, late, SPARE_DESCRIPTORS):
            self.tasks.enter(launch.tasks.segment)
            launch.running, launch.prepared = self.tasks.prepare(early, late)
        else:
            self._start(launch, early)

    def _start(self, launch: _Launch, tasks: list[Task]) -> None:
        self.tasks.enter(launch.tasks.segment)
        launch.running += self.tasks.start(*tasks)

    def _load(self, launch: _Launch) -> None:
        """What a launch and those after it load, if those before it did not."""
        self.tasks.enter(WEIGHT_STREAM)
        self.loading.setdefault(launch.load_ends, []).extend(self.tasks.start(*launch.loads))

    def finish_launch(self, number: int) -> None:
        """Wait for the tokens of a launch, channel by channel: then all its tasks have ended."""
        self.launches[number].runs = False
        self.feed.bring_all(number)
        running = self.launches[number].running
        self.tasks.enter(self.launches[number].tasks.segment)
        for one in sorted((one for one in running if one.task.token), key=_by_channel):
            self.tasks.wait(one)
        for one in (*running, *self.loading.get(number, ())):
            if not one.task.token:
                self.tasks.ended(one)
        self.feed.launch_ended(number)
