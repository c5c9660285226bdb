"""When the controller pushed the tasks that a launch's recurrence begins with, by core and by column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.costs.facts import Numbers
from compiler.costs.feed import cores_of
from compiler.hardware.chip import Chip
from compiler.hardware.routes import FIRST_CORE_ROW, MEMTILE_ROW, channels
from compiler.protocol.tasks import Task, place_name
from dialects.aie import DMAChannelDir


@dataclass(frozen=True, eq=False)
class PushTimes:
    """Some pushes in order, each with its time, [timeline]. What was not pushed counts from `now`."""

    chip: Chip
    now: Numbers
    pushes: list[tuple[Task, Numbers]]

    def of_fills(self) -> Numbers:
        """The last task that fills each column's MemTile, [timeline][column]."""
        times, fill = self._by_column(), channels(self.chip).fill
        for task, time in self.pushes:
            if task.place[1] == MEMTILE_ROW and task.channel == fill and task.direction is DMAChannelDir.S2MM:
                times[:, task.place[0]] = time
        return times

    def of_columns(self) -> Numbers:
        """The last task of each column, [timeline][column]."""
        times = self._by_column()
        for task, time in self.pushes:
            times[:, task.place[0]] = time
        return times

    def of_cores(self, lock: str) -> Numbers:
        """The first task of each core that waits for space by a `lock`, [timeline][core]."""
        times = self._by_core()
        for task, time in reversed(self.pushes):
            (column, row), acquired = task.place, task.chain[0].acquire
            if row >= FIRST_CORE_ROW and acquired == (place_name(lock, task.place), 1):
                times[:, column * self.chip.core_rows + row - FIRST_CORE_ROW] = time
        return times

    def of_inputs(self) -> Numbers:
        """The first input of each core, [timeline][core]; MemTile channels have the cores' numbers."""
        times = self._by_core()
        for task, time in reversed(self.pushes):
            times[:, task.place[0] * self.chip.core_rows + task.channel] = time
        return times

    def of_broadcasts(self) -> Numbers:
        """The broadcast of its input for each core of a DEEP launch, [timeline][core]."""
        columns, channel = self._by_column(), channels(self.chip).broadcast
        for task, time in self.pushes:
            if task.place[1] == MEMTILE_ROW and task.direction is DMAChannelDir.MM2S and task.channel == channel:
                columns[:, task.place[0]] = time
        return columns[:, cores_of(self.chip)[2]]

    def _by_column(self) -> Numbers:
        return np.repeat(self.now[:, None], self.chip.columns, axis=1)

    def _by_core(self) -> Numbers:
        return np.repeat(self.now[:, None], self.chip.columns * self.chip.core_rows, axis=1)
