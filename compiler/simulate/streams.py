"""
Streams: words leave one channel and reach one or many, all at the pace of the slowest.

A stream moves 4 bytes per cycle while its source and all its sinks have a descriptor under way. What is simulated is
not words but pieces: as many words as the shortest of those descriptors still has to move. A word needs
`hop_cycles` per switch; while a sink is not ready, words wait in the switches on the way, so a sink that becomes
ready finds them there and does not pay for the way again.

The shim's channels share the column's way to DDR, one in each direction, and all columns share what DDR gives in
total, if the chip has such a limit. Where one of these is narrower than its streams, a piece is cut into bursts, and
bursts pass one after the other.

The banks of a MemTile are such a narrow place too, where they can be narrow at all (`compiler.simulate.banks`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from compiler.simulate.banks import BURST_WORDS
from compiler.simulate.channels import Channel
from compiler.simulate.events import EventQueue, Priority
from compiler.simulate.links import WORD_BYTES, Pieces


@dataclass(eq=False)
class DdrPort:
    """A way to or from DDR: of one column in one direction, or of all together."""

    name: str
    bytes_per_cycle: int
    pieces: Pieces
    channels: int = 0
    """Streams that begin or end here."""
    free: int = 0

    def is_narrow(self, stream_bytes: int) -> bool:
        """Whether its streams can ask for more than it has."""
        return self.channels * stream_bytes > self.bytes_per_cycle

    def pass_burst(self, start: int, words: int, segment: str) -> int:
        """When a burst that comes at `start` has passed."""
        cycles = -(-WORD_BYTES * words // self.bytes_per_cycle)
        self.free = max(self.free, start) + cycles
        self.pieces.add(self.free - cycles, self.free, words, segment)
        return self.free


@dataclass(eq=False)
class Stream:
    """One source, its sinks with the cycles a word travels to each."""

    source: Channel
    sinks: list[tuple[Channel, int]]
    bytes_per_cycle: int
    events: EventQueue
    ports: tuple[DdrPort, ...]
    """On its way, when the source or the sink is in DDR."""
    pieces: Pieces
    free: int = 0
    """When the source's last word so far has left."""
    narrow: list[DdrPort] = field(init=False, default_factory=list[DdrPort])
    banked: list[Channel] = field(init=False, default_factory=list[Channel])
    """Its channels at MemTiles whose banks can make them wait."""

    @property
    def name(self) -> str:
        """From the source to all sinks."""
        return f"{self.source.name} to {', '.join(sink.name for sink, _ in self.sinks)}"

    def connect(self) -> None:
        """Tell the channels; all streams of the ports have been counted by now."""
        self.narrow = [port for port in self.ports if port.is_narrow(self.bytes_per_cycle)]
        self.banked = [end for end in (self.source, *(sink for sink, _ in self.sinks)) if end.banks is not None]
        self.source.stream = self
        for sink, _ in self.sinks:
            sink.stream = self

    def try_move(self) -> None:
        """Move a piece if every side has a descriptor under way."""
        source = self.source
        words = source.remaining
        if not words:
            return
        start = max(self.free, source.ready)
        for sink, latency in self.sinks:
            if not sink.remaining:
                return
            words = min(words, sink.remaining)
            start = max(start, sink.ready - latency)
        if self.narrow or self.banked:
            words = min(words, BURST_WORDS)
        cycles = -(-WORD_BYTES * words // self.bytes_per_cycle)
        end = start + cycles
        for port in self.ports:
            if port in self.narrow:
                end = max(end, port.pass_burst(start, words, source.segment))
            else:
                port.pieces.add(start, start + cycles, words, source.segment)
        for channel in self.banked:
            end = max(end, channel.pass_banks(start, words))
        # behind a narrow port words come as late as they can
        self.pieces.add(end - cycles, end, words, source.segment)
        self.free = end
        piece = source.take(words, start)
        now, open_ends = self.events.now, source.remaining > 0
        if not source.remaining:
            self.events.at(max(now, end), Priority.TRANSFER, source.finish)
        for sink, latency in self.sinks:
            sink.give(words, start, piece)
            if not sink.remaining:
                open_ends = False
                self.events.at(max(now, end + latency), Priority.TRANSFER, sink.finish)
        if open_ends:
            self.events.at(max(now, end), Priority.TRANSFER, self.try_move)
