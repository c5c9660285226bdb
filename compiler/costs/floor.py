"""
A floor under the recurrence of a convolution, in a few sums: what no evaluation of the launch can come out below.

Everything that a core does itself is done one thing after the other, and so is everything on its input stream and on
its weight stream. So a launch takes at least as long as all steps and calls of its busiest core, or all its input rows
and the call that needs the last one, or all its weights on their way.
A mapping whose floor lies above another's time need not be evaluated. Floors are asked for many at once: the same cores
with the same rows, and weights in chunks of any size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.costs.calls import Calls, calls_of
from compiler.costs.facts import Numbers
from compiler.costs.feed import moved
from compiler.costs.program import ProgramCycles
from compiler.costs.shares import Share
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import PARAMETER_WORDS
from compiler.tiling.core_parameters import common_parameters
from compiler.tiling.launch import Launch


@dataclass(frozen=True, eq=False)
class Chunkings:
    """How several launches of the same cores cut their weights, and what follows from it: one number for each."""

    output_chunk: Numbers
    input_chunk: Numbers
    chunk_words: Numbers
    stays: npt.NDArray[np.bool_]
    input_slots: Numbers
    """At least."""
    output_slots: Numbers

    @classmethod
    def of(cls, launches: Sequence[Launch]) -> Chunkings:
        """Those of launches that are there."""
        arenas = [launch.arena for launch in launches]
        return cls(
            np.array([launch.output_chunk for launch in launches], np.int64),
            np.array([launch.input_chunk for launch in launches], np.int64),
            np.array([launch.chunk_words for launch in launches], np.int64),
            np.array([launch.stays for launch in launches], np.bool_),
            np.array([arena.input_slots for arena in arenas], np.int64),
            np.array([arena.output_slots for arena in arenas], np.int64),
        )


@dataclass(frozen=True, eq=False)
class _Passes:
    """All calls of a pass over the rows of a core, by whether it is for the first or the last input chunk."""

    calls: Calls
    rows: int
    together: int
    taps: int

    def cycles(self, blocks: Numbers, first: int, last: int) -> Numbers:
        """But for what non-zero blocks take. What a tap takes is the same in each call of a pass."""
        full, rest = divmod(self.rows, self.together)
        total, row = np.zeros_like(blocks), np.zeros_like(blocks)
        for rows, times in ((rest, 1), (self.together, full)):
            if rows and times:
                fixed, row = self.calls.of_many(blocks, rows, first, last)
                total = total + fixed * times
        return total + row * self.taps

    def of_chunk(self, blocks: Numbers, inputs: Numbers) -> Numbers:
        """All passes of an output chunk."""
        ends = self.cycles(blocks, 1, 0) + self.cycles(blocks, 0, 1)
        several = ends + (inputs - 2) * self.cycles(blocks, 0, 0)
        return np.where(inputs == 1, self.cycles(blocks, 1, 1), several)

    def last(self, blocks: Numbers, inputs: Numbers) -> Numbers:
        """The last pass."""
        return np.where(inputs == 1, self.cycles(blocks, 1, 1), self.cycles(blocks, 0, 1))


def _sums(launch: Launch) -> Numbers:
    """Non-zero blocks before each output and input block."""
    sums = np.zeros(np.add(launch.layer.gamma.shape, 1), np.int64)
    sums[1:, 1:] = launch.layer.gamma.cumsum(axis=0).cumsum(axis=1)
    return sums


class _Floors:
    """What is the same for all cores of some launches."""

    def __init__(self, launch: Launch, ways: Chunkings, chip: Chip, program: ProgramCycles):
        self.launch, self.ways, self.chip, self.program = launch, ways, chip, program
        self.calls = calls_of(chip, launch.layer.kernel, common_parameters(launch))
        self.sums = _sums(launch)
        layer = launch.layer
        self.inputs = layer.input.blocks // ways.input_chunk
        skip = 0 if layer.addition is None else ways.output_chunk * layer.output.width * 2
        self.row = chip.descriptor_cycles + moved(chip, ways.input_chunk * launch.fetch.width * 2 + skip)
        self.skip = chip.descriptor_cycles + moved(chip, skip)
        self.sent, self.to_core = int(moved(chip, PARAMETER_WORDS)), 2 * chip.hop_cycles
        self.head = self.sent + self.to_core + chip.lock_cycles + program.begin + program.lock * ways.output_slots
        self.head = self.head + program.chunk + program.drained + program.each_pass + 1

    def core(self, share: Share) -> Numbers:
        """Cycles that a core with this share takes at least."""
        launch, ways, chip, program, inputs = self.launch, self.ways, self.chip, self.program, self.inputs
        layer, together, stride = launch.layer, launch.rows_together, launch.row_stride
        first, end = share.blocks
        chunks = -(-(end - first) // ways.output_chunk)
        last_blocks = end - first - (chunks - 1) * ways.output_chunk
        passes, arriving = chunks * inputs, np.where(ways.stays, inputs, chunks * inputs)
        alone = (chunks - 1) * ways.stays * (layer.addition is not None)
        # what the program does in each pass
        groups = -(-share.rows // together)
        around = program.output + program.call + program.after + program.rows_end
        entries = groups * layer.kernel_size[0] + (share.rows - groups) * stride
        each = groups * (program.row + around) + entries * program.tap + 2 * program.rest + program.weights_end + 1
        locks = 2 * share.stream_rows * program.lock
        # what the kernels do
        calls = _Passes(self.calls, share.rows, together, share.taps)
        lines = share.taps * layer.kernel_size[1] * self.calls.entry
        kernels = calls.of_chunk(last_blocks, inputs) + lines * share.present
        kernels = kernels + (chunks - 1) * calls.of_chunk(np.minimum(ways.output_chunk, end - first), inputs)
        rows, columns = end - last_blocks, layer.input.blocks - ways.input_chunk
        final = self.sums[end, -1] - self.sums[rows, -1] - self.sums[end, columns] + self.sums[rows, columns]
        last_pass = each + locks + calls.last(last_blocks, inputs) + lines * final
        serial = passes * each + (passes - 1) * (program.each_pass + 1)
        serial = serial + (chunks - 1) * (program.chunk + program.drained) + (arriving + alone) * locks
        serial = serial + (2 * share.rows * chunks - 1) * program.lock + kernels
        # from the last input row to the end of its pass
        last_row = program.weights_end + 1
        if share.to_the_end:
            # a tap off the map may cost more than one on it
            made = share.rows - (groups - 1) * together
            last_row = last_row + (layer.kernel_size[0] + (made - 1) * stride) * program.tap + around
            ends = [self.calls.of_many(last_blocks, made, *which) for which in ((1, 1), (0, 1))]
            least = [fixed + np.minimum(row, 0) * layer.kernel_size[0] for fixed, row in ends]
            last_row = last_row + np.where(inputs == 1, *least)
        slots = np.where(ways.stays, inputs * share.stream_rows, ways.input_slots)
        minted, leaving = program.lock * slots, moved(chip, last_blocks * launch.sent_width * 2)
        done = program.end + minted + 1 + chip.lock_cycles + leaving + self.to_core
        began = self.head + minted + serial
        received = self.sent + share.stream_rows * (arriving * self.row + alone * self.skip)
        received = received + self.to_core + chip.lock_cycles + last_row + done
        written = began - last_pass + share.rows * (chip.descriptor_cycles + leaving) + self.to_core
        weighed = moved(chip, passes * ways.chunk_words)
        return np.maximum(np.maximum(began + done, received), np.maximum(written, weighed))


def launch_floors(
    launch: Launch, ways: Chunkings, parts: Iterable[Share], chip: Chip, program: ProgramCycles
) -> Numbers:
    """
    Cycles that convolutions' launches take at least, which are like `launch` but for what is said in `ways`.

    `parts` are the shares of its cores.
    """
    floors = _Floors(launch, ways, chip, program)
    return np.max([floors.core(share) for share in parts], axis=0)
