"""
What no schedule of a plan can beat: a proof in three sums, independent of the recurrence.

    compute   products of a core's non-zero blocks, all of its multipliers busy in every cycle
    stream    words of the busiest channel between a MemTile and a core, one word per cycle on it
    ddr       bytes of the busiest column, as fast as its way to DDR is

A launch or a group of copies takes at least the largest of the three, and what the controller has waited for has ended
before anything that it starts then. Weights come all the time: they are in no such sum, but an invocation takes at
least as long as all its weights.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from compiler.costs.facts import LaunchFacts
from compiler.costs.feed import words_by_column
from compiler.estimate.facts import launch_facts
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import PARAMETER_WORDS
from dialects import mem
from dialects.chip import chip_of

BLOCK_PRODUCTS = 64
"""Products of one 8x8 block at one pixel."""


@dataclass(frozen=True)
class Bound:
    """Cycles that are needed at least, by what needs them."""

    compute: int = 0
    stream: int = 0
    ddr: int = 0

    @property
    def cycles(self) -> int:
        """All three go on at the same time."""
        return max(self.compute, self.stream, self.ddr)


def launch_bound(op: mem.LaunchOp, chip: Chip) -> Bound:
    """Of one launch."""
    facts = launch_facts(op, chip)
    sent = facts.received_words
    full = (facts.output_chunks - 1) * facts.output_words + facts.last_words
    received = np.maximum(facts.rows * full, 1)
    stream = max(int(sent.max()), int(received.max()))
    return Bound(_products(facts) // chip.mac_per_cycle, 4 * stream // chip.stream_bytes_per_cycle)


def weights_bound(invocation: mem.InvokeOp, chip: Chip) -> Bound:
    """Of all weights and parameters of an invocation, in the busiest column."""
    launches = [op for op in invocation.walk() if isinstance(op, mem.LaunchOp)]
    words = sum((words_by_column(launch_facts(op, chip), chip) for op in launches), np.zeros(chip.columns, np.int64))
    busiest = 4 * int(words.max())
    parameters = 4 * len(launches) * chip.core_rows * PARAMETER_WORDS
    ddr = (busiest + parameters) // chip.ddr_bytes_per_cycle
    return Bound(stream=busiest // chip.stream_bytes_per_cycle, ddr=ddr)


def _products(facts: LaunchFacts) -> int:
    """Products of the busiest core, of blocks whose input row is on the map."""
    if not facts.kernel.convolves:
        return 0
    common = facts.parameters
    most = 0
    for index in range(len(facts.rows)):
        tops = int(facts.origin[index]) + common["row_stride"] * np.arange(int(facts.rows[index]))
        rows = tops[:, None] + common["row_step"] * np.arange(common["taps"])
        on_map = ((rows >= 0) & (rows < int(facts.stream_rows[index]))).sum(axis=0)
        entries = facts.streams[int(facts.stream[index])].entries.sum(axis=0)
        most = max(most, int(on_map @ entries) * common["width"] * BLOCK_PRODUCTS)
    return most


def _copies_bound(copies: list[mem.CopyOp], chip: Chip) -> Bound:
    """Of copies that run at the same time: each direction of each column is one channel."""
    words: dict[tuple[int, bool], int] = {}
    for op in copies:
        key = (op.column, op.fills)
        words[key] = words.get(key, 0) + op.target_window.data.words
    most = 4 * max(words.values(), default=0)
    return Bound(0, most // chip.stream_bytes_per_cycle, most // chip.ddr_bytes_per_cycle)


def lower_bound(module: ModuleOp) -> int:
    """Array cycles that a module of level `mem` needs at least."""
    chip = chip_of(module)
    return sum(
        max(_waits_bound(op, chip), weights_bound(op, chip).cycles)
        for op in module.walk()
        if isinstance(op, mem.InvokeOp)
    )


def _waits_bound(invocation: mem.InvokeOp, chip: Chip) -> int:
    """When the last of what the controller waits for can have ended, if everything begins as soon as it is started."""
    now = 0
    made: dict[SSAValue, tuple[mem.CopyOp | mem.LaunchOp, int]] = {}
    for op in invocation.walk():
        match op:
            case mem.CopyOp() | mem.LaunchOp():
                made[op.token] = op, now
            case mem.WaitOp():
                ends, copies = [now], defaultdict[int, list[mem.CopyOp]](list)
                for part, begun in (made[token] for token in op.tokens):
                    if isinstance(part, mem.CopyOp):
                        copies[begun].append(part)
                    else:
                        ends.append(begun + launch_bound(part, chip).cycles)
                ends += [begun + _copies_bound(each, chip).cycles for begun, each in copies.items()]
                now = max(ends)
            case _:
                pass
    return now
