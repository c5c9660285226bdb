"""
Moves of words as an invocation of the array: each trip fills a part of a MemTile from DDR and goes back to other words.

    mem.copy %x to %staging … ; mem.wait ; mem.copy %staging to %y …

What the MemTiles hold is cut in two halves: while the trips of one round leave, those of the next one come. No core
takes part, and nothing of what else lies in the MemTiles is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from xdsl.ir import Block, Operation, Region, SSAValue

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.transfers.trips import Trip, rounds_of
from compiler.transfers.window import Window
from dialects import mem
from dialects.bsr import MoveOp
from dialects.mem_attributes import DDR, MEMTILE
from dialects.words import WORD_BYTES, words_of_type

HALVES = 2


@dataclass
class WordMover:
    """Places tensors in DDR behind everything else, and writes down how their words are moved."""

    chip: Chip
    block: Block
    """Of the function: buffers are declared here, tensors stored, and the array invoked."""
    ddr_end: int
    """Bytes of DDR in use."""
    memtile_end: int
    """Bytes in use of each MemTile."""
    placed: dict[SSAValue, mem.WordsOp] = field(default_factory=dict[SSAValue, mem.WordsOp])
    """Tensors of the network, and where they lie."""
    staging: mem.WordsOp | None = None
    invocation: mem.InvokeOp | None = None
    """The last one, while nothing else has come behind it: moves one after the other are one invocation."""

    def move(self, op: MoveOp, name: str, tensor: Callable[[SSAValue], SSAValue]) -> None:
        """
        Let the array do one op; `tensor` gives an operand as a tensor on the host.

        Raises CapacityError if the MemTiles have no words left.
        """
        sources = [self._stored(value, f"{name}.{number}", tensor) for number, value in enumerate(op.inputs)]
        result = self.placed[op.result] = self._place(name, words_of_type(op.result.type))
        staging = self._staging(name)
        rounds = rounds_of(op.moves, self.chip, min(staging.words // HALVES, self.chip.memtile_length_limit))
        writer = _Rounds(sources, result, staging)
        body = Block()
        for number, (coming, leaving) in enumerate(zip_longest(rounds, [(), *rounds], fillvalue=())):
            copies = [*writer.fills(coming, number), *writer.spills(leaving, number - 1)]
            body.add_ops([*copies, mem.WaitOp([copy.token for copy in copies])])
        if self.invocation is None:
            self.invocation = mem.InvokeOp(Region(Block()))
            self.block.add_op(self.invocation)
        self.invocation.body.block.add_op(mem.SegmentOp(name, "", result.result, Region(body)))

    def load(self, value: SSAValue) -> SSAValue:
        """A moved tensor on the host."""
        self.invocation = None
        load = mem.LoadOp(self.placed[value].result, value.type)
        self.block.add_op(load)
        return load.result

    def _add(self, op: Operation) -> None:
        """Before the invocation that goes on, or last of all."""
        if self.invocation is None:
            self.block.add_op(op)
        else:
            self.block.insert_op_before(op, self.invocation)

    def _stored(self, value: SSAValue, name: str, tensor: Callable[[SSAValue], SSAValue]) -> mem.WordsOp:
        """Where the words of an operand lie: another move has left them there, or the host stores them."""
        if value not in self.placed:
            place = self.placed[value] = self._place(name, words_of_type(value.type))
            self._add(mem.StoreOp(tensor(value), place.result))
        return self.placed[value]

    def _place(self, name: str, words: int) -> mem.WordsOp:
        place = mem.WordsOp(name, self.ddr_end, words, DDR)
        self.ddr_end += place.size
        self._add(place)
        return place

    def _staging(self, name: str) -> mem.WordsOp:
        if self.staging is None:
            words = (self.chip.memtile_bytes - self.memtile_end) // WORD_BYTES
            if words < HALVES:
                raise CapacityError(
                    f"'{name}' moves words through the MemTiles, of which {self.memtile_end} bytes of "
                    f"{self.chip.memtile_bytes} are in use; {HALVES * WORD_BYTES} have to be left. "
                    f"Compile what is moved as a network of its own, or give the chip more memtile_bytes"
                )
            self.staging = mem.WordsOp("staging", self.memtile_end, words, MEMTILE)
            self._add(self.staging)
        return self.staging


@dataclass(frozen=True)
class _Rounds:
    """Copies of the trips of a round, one trip in each column."""

    sources: Sequence[mem.WordsOp]
    result: mem.WordsOp
    staging: mem.WordsOp

    def _here(self, column: int, trip: Trip, number: int) -> Window:
        """The words of the MemTile that a trip takes in round `number`."""
        half = self.staging.words // HALVES * (number % HALVES)
        return Window(column, self.staging.first_word + half, (trip.move.words,), (1,))

    def fills(self, trips: Sequence[Trip], number: int) -> list[mem.CopyOp]:
        """From DDR."""
        made: list[mem.CopyOp] = []
        for column, trip in enumerate(trips):
            source = self.sources[trip.move.source]
            there = trip.source(column, source.first_word)
            made.append(mem.CopyOp(source.result, self.staging.result, there, self._here(column, trip, number)))
        return made

    def spills(self, trips: Sequence[Trip], number: int) -> list[mem.CopyOp]:
        """Back to DDR, to each place."""
        return [
            mem.CopyOp(self.staging.result, self.result.result, self._here(column, trip, number), there)
            for column, trip in enumerate(trips)
            for there in trip.targets(column, self.result.first_word)
        ]
