"""Small networks that once went wrong, or that few drawn ones are like; all must run, none may be refused."""

from __future__ import annotations

import pytest
from bsr_levels import assert_levels_are_equal
from bsr_networks import Add, AvgPool, Concat, Conv, Extremum, Input, Interleave, MaxPool, Network, Pad, Requantise
from strategies_bsr import Place

CASES = {
    # a descriptor of -1 columns: every window lies on the left border
    "left border only": (Network(1, (Input(3, 5, 1),), (Conv(0, 5, (1, 1), (1, 3), (0, 2, 0, 0)),)), Place("npu1")),
    # refused, although a mean moved that far can only be 0 or saturate
    "mean at a far finer position": (
        Network(1, (Input(3, 4, 4, 0),), (AvgPool(0, (2, 2), position=30),)),
        Place("npu1"),
    ),
    # a ring of 64 slots, whose free ones a lock cannot count
    "window of 62 rows": (Network(1, (Input(8, 70, 8),), (MaxPool(0, (62, 8)),)), Place("npu1")),
    # refused: a row of prefetch beyond the 63 slots that the window itself takes
    "window of 63 rows": (Network(1, (Input(8, 63, 8),), (AvgPool(0, (63, 8)),)), Place("npu1")),
    "kernel of 63 rows": (Network(1, (Input(3, 70, 1),), (Conv(0, 5, (63, 1)),)), Place("mesh-2x1")),
    # a deadlock: a stride longer than the window, and fewer slots than rows from one window to the next
    "pool that skips rows": (
        Network(1, (Input(3, 3, 500),), (MaxPool(0, (1, 1), (2, 1)),)),
        Place("mesh-1x1", ("core_memory_bytes=16384",)),
    ),
    # the interpreter took a segment for ended when parameters of the next one were queued, before the last spill
    "bands, and a layer that is queued early": (
        Network(
            1,
            (Input(13, 4, 220),),
            (Conv(0, 8, (2, 3), (2, 3), (0, 0, 0, 1)), MaxPool(1, (2, 1), (1, 2), (1, 0, 0, 0))),
        ),
        Place("mesh-8x1", ("memtile_bytes=16384", "core_memory_bytes=16384")),
    ),
    # illegal descriptors, which aie-check refused: with padding the rows of a window are counted too
    "more padded rows than a descriptor counts": (
        Network(1, (Input(3, 520, 2),), (Conv(0, 5, (3, 3), pads=(1, 1, 1, 1)),)),
        Place("mesh-1x1"),
    ),
    # refused by aie-check although the third size of a core's descriptor is counted by nothing
    "strided rows in more than 255 pieces": (
        Network(1, (Input(24, 3, 180),), (Conv(0, 5, (1, 3), (1, 2)),)),
        Place("mesh-1x1"),
    ),
    # a race: a first row of padding alone was written while the layer before still read what had been there
    "a first row of padding, queued early": (
        Network(1, (Input(1, 3, 1),), (Requantise(0), Pad(1, (1, 0, 0, 1))), (2,)),
        Place("mesh-3x1"),
    ),
    # the interpreter refused an area of no words at the very end of a core's arena
    "nothing at the end of the arena": (
        Network(1, (Input(8, 1, 440),), (Requantise(0),)),
        Place("mesh-1x1", ("core_memory_bytes=13312",)),
    ),
    # a traceback: more pages in the ring of weights than a task counts turns
    "tasks of 16 turns": (Network(1, (Input(8, 1, 1),), (Conv(0, 8),)), Place("mesh-1x1", ("run_limit=16",))),
    # aie-check found the end of the weights missing: what the queues did not hold came when the launch had ended
    "more weights than the queues hold": (
        Network(1, (Input(1000, 1, 1),), (Conv(0, 8),)),
        Place("mesh-1x1", ("memtile_bytes=16384", "run_limit=2")),
    ),
    # refused by aie-check: the planner took every queue for one of four tasks
    "more rows than three tasks bring": (
        Network(1, (Input(16, 40, 23),), (Conv(0, 8, (3, 5), (2, 1)),)),
        Place("mesh-1x1", ("queue_depth=3", "run_limit=16")),
    ),
    # refused by aie-check: a task for each row of both operands, and more rows than a task runs
    "more rows to add than a task runs": (
        Network(1, (Input(1, 17, 1),), (Concat((0, 0)),)),
        Place("mesh-1x1", ("run_limit=16",)),
    ),
    "more rows to add to a convolution's than a task runs": (
        Network(1, (Input(1, 33, 1),), (Concat((0, 0)),)),
        Place("mesh-1x2", ("run_limit=16",)),
    ),
    # a race: three rows of padding above two rows that stay, and the ring was gone round once
    "fewer rows that stay than rows of padding": (
        Network(1, (Input(5, 8, 2),), (Conv(0, 33, (5, 2), (2, 2), (3, 0, 0, 0), mask="full"),)),
        Place("mesh-3x2", ("core_memory_bytes=13620",)),
    ),
    # a row that strides do not look at was sent, though it is not filled
    "a last row that nobody looks at": (
        Network(
            53013,
            (Input(1, 27, 1),),
            (
                Conv(0, 166, (5, 3), pads=(0, 2, 1, 0), dilations=(3, 1), mask="half"),
                Conv(1, 74, (3, 2), (3, 1), (0, 1, 1, 0), mask="half"),
            ),
            (2,),
        ),
        Place("mesh-1x2", ("core_wrap_limit=16",)),
    ),
    # refused by aie-check: more rows without the pixels between them than a core's descriptor counts
    "rows sent in 28 pieces": (
        Network(1, (Input(100, 7, 7),), (Conv(0, 150, (2, 2), pads=(0, 0, 1, 1), mask="half"),)),
        Place("mesh-1x2", ("core_wrap_limit=16",)),
    ),
    # refused by aie-check: skip rows without rows for the one core that has a single chunk of outputs
    "a core with less to add than others": (
        Network(1, (Input(25, 1, 1, 6),), (Concat((0, 0, 0, 0), 5, (0, 48)),)),
        Place("mesh-8x8", ("core_memory_bytes=32916",)),
    ),
    # a traceback: weights for each core by itself, and no row at all to broadcast
    "windows on padding alone": (
        Network(
            1,
            (Input(30, 1, 1),),
            (Conv(0, 240, (1, 2), (3, 1), (2, 1, 0, 1), (3, 2)),),
        ),
        Place("mesh-2x1"),
    ),
    # rows that strides do not look at came to the cores all the same, though they were not filled
    "skipped rows that are sent": (
        Network(1, (Input(1, 2, 30),), (Conv(0, 98, (1, 1), (2, 1), (0, 0, 1, 0)), Extremum("max", 1, 1))),
        Place("mesh-2x1"),
    ),
    # the checker did not know a layer again whose output had been put in its place twice, by the planners of two steps
    "a concatenation of one": (
        Network(1, (Input(1, 3, 3),), (Conv(0, 1, (2, 3), position=-2), Concat((1,), -2))),
        Place("mesh-1x1"),
    ),
    # refused by the plan checker: rows to add of more words than a MemTile counts in one dimension
    "rows of 351 pixels to add": (Network(1, (Input(17, 2, 351),), (Concat((0, 0)),)), Place("mesh-1x1")),
    # a race: the ring has one slot, and windows that lie above the map went round it four times for each row
    "windows above the map, with strides": (
        Network(1, (Input(2, 2, 11),), (Conv(0, 2, (1, 7), (4, 4), (16, 16, 16, 16), (2, 7)),)),
        Place("mesh-1x2"),
    ),
    # wrong numbers: a row whose windows all lie on its left border was sent in no whole strides
    "strided windows left of the map": (
        Network(1, (Input(20, 3, 1),), (Conv(0, 2, (2, 2), (4, 3), (9, 9, 1, 0)),)),
        Place("mesh-1x2"),
    ),
    # planned as a narrow tile of long rows, and taken up again for the next layer of its shape as the whole map
    "tiles of which two rows are one": (
        Network(1, (Input(9, 2, 141),), (Concat((0, 0)),)),
        Place("mesh-1x1", ("core_memory_bytes=8192",)),
    ),
    # a convolution and what is made of it went to the host as two large models of one name
    "two models of one tensor": (
        Network(1, (Input(1, 3, 101),), (Conv(0, 123, (3, 4), (2, 1), dilations=(1, 2)), Concat((1, 1), -8))),
        Place("npu2", ("memtile_bytes=24576", "core_memory_bytes=17892")),
    ),
    # a traceback: a copy of strided pixels that memory has no room for at once, and whole rows of which were sent
    "strided copy in bands": (
        Network(
            1,
            (Input(9, 29, 23),),
            (Interleave((0, 0), (1, 2)), Conv(1, 90, (1, 1), (3, 5), mask="last_column")),
        ),
        Place("mesh-1x1", ("memtile_bytes=24576",)),
    ),
    # refused by aie-check: one call for all rows of a core, and a ring of outputs longer than descriptors count
    "69 rows made together": (Network(1, (Input(3, 413, 3),), (Concat((0, 0)),)), Place("mesh-3x2")),
    # wrong numbers: a core's only chunk of outputs was smaller than others', and its ring of rows went on elsewhere
    "one chunk, smaller than others": (
        Network(
            1,
            (Input(40, 5, 1),),
            (Conv(0, 40, (3, 3), pads=(1, 1, 1, 1)), Conv(1, 40, (3, 3), pads=(1, 1, 1, 1))),
        ),
        Place("mesh-2x2"),
    ),
    # a broadcast map whose rows are made several by one call, from rings that go round between parts of the input
    "several rows of a broadcast map": (
        Network(1, (Input(256, 10, 14),), (Conv(0, 256, (3, 3), pads=(1, 1, 1, 1)),)),
        Place("npu1", ("core_memory_bytes=40960",)),
    ),
    # steps of 20 pixels, with partial sums and with a map that is added
    "maps of 17 pixels": (
        Network(
            1,
            (Input(64, 9, 17),),
            (Conv(0, 64, (3, 3), pads=(1, 1, 1, 1)), Conv(1, 64, (1, 1)), Add(0, 2)),
        ),
        Place("mesh-2x2", ("core_memory_bytes=16384",)),
    ),
    # the checker refused a chain whose inner map two of its own steps read
    "two sums of what is inside a chain": (
        Network(
            1,
            (Input(8, 61, 24),),
            (
                Conv(0, 16, (3, 3), pads=(1, 1, 1, 1)),
                Add(1, 1),
                Conv(2, 16, (3, 3), pads=(1, 1, 1, 1)),
                Add(3, 2),
            ),
            (4,),
        ),
        Place("mesh-4x1", ("memtile_bytes=24576", "ddr_bytes_per_cycle=1")),
    ),
    # strides, uneven pads, and a column that has fewer rows than others, band by band
    "convolution and pool in bands of a row": (
        Network(
            1,
            (Input(8, 33, 40),),
            (Conv(0, 32), MaxPool(1, (3, 2), (3, 2), (2, 0, 1, 1)), Conv(2, 8, (2, 1), (2, 1), (1, 0, 0, 0))),
            (3,),
        ),
        Place("mesh-4x4", ("memtile_bytes=12288", "ddr_bytes_per_cycle=1")),
    ),
    "convolution that skips rows": (
        Network(1, (Input(3, 9, 210),), (Conv(0, 3, (1, 1), (3, 1), (1, 1, 0, 0)),)),
        Place("mesh-1x1", ("core_memory_bytes=8448",)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_runs_now(name: str) -> None:
    network, place = CASES[name]
    assert_levels_are_equal(network, place, (0, 1), thorough=True)
