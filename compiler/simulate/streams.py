"""
Streams: words leave one channel and reach one or many, all at the pace of the slowest.

A stream moves 4 bytes per cycle while its source and all its sinks have a descriptor under way. What is simulated is
not words but pieces: as many words as the shortest of those descriptors still has to move. A word needs
`hop_cycles` per switch; while a sink is not ready, words wait in the switches on the way, so a sink that becomes
ready finds them there and does not pay for the way again.

The shim's channels share the column's way to DDR, one in each direction. Where that is narrower than its streams, a
piece is cut into bursts, and bursts pass one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from compiler.simulate.channels import Channel
from compiler.simulate.events import EventQueue, Priority

BURST_WORDS = 64
"""assumed: 256 bytes, the largest burst that shim descriptors ask for"""


@dataclass(eq=False)
class DdrPort:
    """One column's way to or from DDR."""

    bytes_per_cycle: int
    channels: int = 0
    """Streams that begin or end here."""
    free: int = 0

    def is_narrow(self, stream_bytes: int) -> bool:
        """Whether its streams can ask for more than it has."""
        return self.channels * stream_bytes > self.bytes_per_cycle

    def pass_burst(self, start: int, words: int) -> int:
        """When a burst that comes at `start` has passed."""
        self.free = max(self.free, start) + -(-4 * words // self.bytes_per_cycle)
        return self.free


@dataclass(eq=False)
class Stream:
    """One source, its sinks with the cycles a word travels to each."""

    source: Channel
    sinks: list[tuple[Channel, int]]
    bytes_per_cycle: int
    events: EventQueue
    port: DdrPort | None = None
    """Set when the source or the sink is in DDR."""
    free: int = 0
    """When the source's last word so far has left."""
    bursts: bool = field(init=False, default=False)

    def connect(self) -> None:
        """Tell the channels; all streams of the ports have been counted by now."""
        self.bursts = self.port is not None and self.port.is_narrow(self.bytes_per_cycle)
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
        if self.bursts:
            words = min(words, BURST_WORDS)
        end = start + -(-4 * words // self.bytes_per_cycle)
        if self.bursts and self.port is not None:
            end = max(end, self.port.pass_burst(start, words))
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
