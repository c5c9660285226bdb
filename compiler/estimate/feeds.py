"""The feeds of weights while a network is estimated: that of all WIDE launches, and one for each DEEP launch."""

from __future__ import annotations

import numpy as np

from compiler.costs.facts import LaunchFacts, Numbers
from compiler.costs.feed import Feed
from compiler.costs.timelines import Array
from compiler.hardware.chip import Chip
from dialects import mem


class Feeds:
    """Whose words come when on the channels of the shims. Times are [timeline][column]."""

    def __init__(self, chip: Chip, invocation: mem.InvokeOp, broadcast_words: list[list[int]], start: Numbers):
        """
        `broadcast_words` by column, from one DEEP launch to the next; `start` [timeline] is when the first tasks of the
        feeds are pushed.
        """
        self.chip = chip
        self.loading = np.repeat(start[:, None], chip.columns, axis=1)
        """Until when the channel for weights is busy with those of DEEP launches."""
        self.broadcast: Feed | None = None
        rings = [op.ring_op for op in invocation.walk() if isinstance(op, mem.LaunchOp) and op.weights is not None]
        ring = next((ring for ring in rings if not ring.cores), None)
        if ring is not None:
            self.broadcast = Feed.broadcast(chip, ring.page_words, ring.pages, np.array(broadcast_words).T, start)

    def own(self, facts: LaunchFacts, begun: Numbers, odd: Numbers) -> Feed:
        """
        The feed of a DEEP launch. Its rings are free from `begun` [timeline] on.

        What shares the channel of the activations may come from `odd` [timeline][column] on.
        """
        even = np.maximum(self.loading, begun[:, None])
        if self.broadcast is not None:
            columns = self.broadcast.ways.columns
            even[:, columns] = np.maximum(even[:, columns], self.broadcast.load_end)
        return Feed.unicast(self.chip, facts, begun, even, odd)

    def after(self, feed: Feed, array: Array) -> None:
        """Both channels of every shim go on from where a DEEP launch left them."""
        ends = feed.load_end.reshape(len(self.loading), self.chip.columns, 2)
        self.loading, array.loading = ends[:, :, 0], ends[:, :, 1].copy()
        if self.broadcast is not None:
            columns = self.broadcast.ways.columns
            self.broadcast.load_end = np.maximum(self.broadcast.load_end, self.loading[:, columns])
