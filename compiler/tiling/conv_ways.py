"""
Every way to compute some rows and output blocks of a convolution in one launch, with the cycles that it takes at least.

Ways are many and launches are long to write down, so that a way is only what it takes to make one: a split, a cut, and
how many rows are made by a call. The floors of all cuts of a split are worked out together (`compiler.costs.floor`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from compiler.costs.floor import Chunkings, launch_floors
from compiler.costs.program import ProgramCycles, program_cycles
from compiler.costs.shares import shares
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel
from compiler.tiling.arena import Arena
from compiler.tiling.joined import Joined, joinings
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, Range
from compiler.tiling.limits import most_slots, rows_held
from compiler.tiling.mapping import (
    OUTPUT_SLOTS,
    Cut,
    Split,
    conv_fetch,
    cuts,
    joint_rows,
    mapped,
    splits,
)
from compiler.tiling.shifted import moved_rows, sees_no_border

KERNELS = frozenset(Kernel)
"""Of a device that serves all: what a core program asks before it calls one."""


@dataclass(frozen=True, eq=False)
class Part:
    """What one launch computes: output rows of each column, and output blocks."""

    layer: Layer
    column_rows: Sequence[Range]
    blocks: Range

    @cached_property
    def first_row(self) -> int:
        """The first output row of all."""
        return min((first for first, last in self.column_rows if last > first), default=0)

    @cached_property
    def key(self) -> Hashable:
        """All that the choice depends on: where rows see no border, not where they lie."""
        layer, rows = self.layer, tuple(self.column_rows)
        if all(sees_no_border(layer, each) for each in rows):
            rows = moved_rows(rows, -self.first_row), "inside"
        together = tuple(joined.together for joined in joinings(layer, self.column_rows))
        return layer.geometry, layer.gamma.shape, layer.gamma.tobytes(), rows, self.blocks, together


@dataclass(frozen=True, eq=False)
class Candidate:
    """A way to map a part, and the cycles that it takes at least."""

    floor: int
    layer: Layer
    chip: Chip
    split: Split
    cut: Cut
    stays: bool
    together: int
    joined: Joined | None

    @cached_property
    def launch(self) -> Launch | None:
        """None if a core has no room for it."""
        return self._launch(self.split.rows)

    @property
    def fits_without_sums(self) -> bool:
        """Whether there would be room in a core with more memory, or one with fewer rows: sums of one row have it."""
        return self.launch is not None or (not self.stays and self._launch(1) is not None)

    def _launch(self, partial_rows: int) -> Launch | None:
        launch = mapped(
            self.layer, self.chip, self.split, self.cut, partial_rows, stays=self.stays, together=self.together
        )
        return replace(launch, joined=self.joined) if launch and self.joined else launch


@dataclass(frozen=True)
class ConvWays:
    """Lists ways on `chip`, in a device whose cores know `kernels`."""

    chip: Chip
    kernels: frozenset[Kernel]
    cuts: dict[Hashable, list[Cut]] = field(default_factory=dict[Hashable, list[Cut]])
    """Of the weights of a layer, by everything that they depend on."""

    @cached_property
    def programs(self) -> dict[Kernel, ProgramCycles]:
        """Cycles of the core program around each kernel that convolves."""
        asked = {kernel: self.kernels | {kernel} for kernel in Kernel if kernel.convolves}
        return {kernel: program_cycles(self.chip, kernels, kernel) for kernel, kernels in asked.items()}

    def candidates(self, part: Part) -> Iterator[Candidate]:
        """
        Every way to compute a part in one launch: some rows by each call, or several as one. What does the latter needs
        none of the former.
        """
        joined_ways = list(joinings(part.layer, part.column_rows))
        yield from self._candidates(part, not joined_ways)
        for joined in joined_ways:
            long = [joined.long_rows(rows) for rows in part.column_rows]
            yield from self._candidates(Part(joined.seen, long, part.blocks), False, joined)

    def _candidates(self, part: Part, several: bool, joined: Joined | None = None) -> Iterator[Candidate]:
        """Those of rows as the layer has them, with one row by each call or also `several`."""
        layer, chip = part.layer, self.chip
        for split in splits(layer, chip, part.column_rows, part.blocks):
            streamed = self._cuts(layer, split)
            some = [*streamed, *(cut for cut in streamed if cut.output_chunk < split.widest)]
            if not some:
                continue
            fetch, none = conv_fetch(layer), Arena(0, 0, 0, 0, 0, 0, 0)
            launch = Launch(layer, split.works, fetch, none, split.widest, layer.input.blocks, split.slices)
            parts = shares(launch)
            for together in joint_rows(layer, split) if several else [1]:
                calls = replace(launch, rows_together=together)
                ways = self._chunkings(calls, split, some, len(streamed))
                floors = launch_floors(calls, ways, parts, chip, self.programs[layer.kernel]).tolist()
                for number, (cut, floor) in enumerate(zip(some, floors, strict=True)):
                    yield Candidate(floor, layer, chip, split, cut, number >= len(streamed), together, joined)

    def _cuts(self, layer: Layer, split: Split) -> list[Cut]:
        """Of these slices of a layer's weights, whichever rows are computed with them."""
        what = layer.kernel_size, layer.rescaling_words, layer.gamma.shape, layer.gamma.tobytes()
        key = (*what, split.slices)
        if key not in self.cuts:
            self.cuts[key] = list(cuts(layer, self.chip, split))
        return self.cuts[key]

    def _chunkings(self, launch: Launch, split: Split, some: Sequence[Cut], streamed: int) -> Chunkings:
        """What these cuts mean for cores with as few slots as they may have; behind the first ones, input stays."""
        together, stream = launch.rows_together, -(-split.input_rows // launch.fetch.row_step)
        chunks = np.array([cut.output_chunk for cut in some], np.int64)
        return Chunkings(
            chunks,
            np.array([cut.input_chunk for cut in some], np.int64),
            np.array([cut.chunk_words for cut in some], np.int64),
            np.arange(len(some)) >= streamed,
            np.full(len(some), rows_held(launch.layer, launch.row_stride, stream, together)),
            np.minimum(
                OUTPUT_SLOTS * together, np.minimum(-(-split.widest // chunks) * split.rows, most_slots(self.chip))
            ),
        )
