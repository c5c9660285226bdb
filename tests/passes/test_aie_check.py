"""Each rule of `aie-check` finds exactly what breaks it, in a program that breaks nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from interpret.array_programs import residual_program
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from compiler.registry import full_context
from passes.aie_check import AieCheckPass, ArrayFaultError, check_array
from passes.array_checks import ALL_RULES

RING = "[<size = 2, stride = 32>, <size = 1, stride = 1>, <size = 1, stride = 1>, <size = 32, stride = 1>]"

PROGRAM = """
aie.device(npu1_1col) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 1)
  %core = aie.tile(0, 2)
  %north = aie.tile(0, 3)
  %far = aie.tile(0, 4)
  %memory = aie.buffer(%tile) {sym_name = "memory", address = 0 : i32} : memref<4096xi32>
  %bytes = aie.buffer(%tile) {sym_name = "bytes", address = 65536 : i32} : memref<4096xi8>
  %arena = aie.buffer(%core) {sym_name = "arena", address = 2048 : i32} : memref<4096xi32>
  %upper = aie.buffer(%north) {sym_name = "upper", address = 2048 : i32} : memref<4096xi32>
  %away = aie.buffer(%far) {sym_name = "away", address = 2048 : i32} : memref<4096xi32>
  %page_empty = aie.lock(%tile, 0) {init = 1 : i32, sym_name = "page_empty"}
  %page_full = aie.lock(%tile, 1) {init = 0 : i32, sym_name = "page_full"}
  %mutex = aie.lock(%tile, 2) {init = 1 : i32, sym_name = "mutex"}
  %upper_mutex = aie.lock(%north, 2) {init = 1 : i32, sym_name = "upper_mutex"}
  %empty = aie.lock(%core, 0) {init = 2 : i32, sym_name = "empty"}
  %full = aie.lock(%core, 1) {init = 0 : i32, sym_name = "full"}
  %done_empty = aie.lock(%core, 2) {init = 1 : i32, sym_name = "done_empty"}
  %done_full = aie.lock(%core, 3) {init = 0 : i32, sym_name = "done_full"}
  aie.flow(%shim, DMA : 0, %tile, DMA : 0)
  aie.flow(%tile, DMA : 0, %core, DMA : 0)
  aie.flow(%core, DMA : 0, %tile, DMA : 1)
  aie.flow(%tile, DMA : 1, %shim, DMA : 0)
  // more of the device
  aie.packet_flow(1) {
    aie.packet_source<%tile, TileControl : 0>
    aie.packet_dest<%shim, South : 0>
  } {keep_pkt_header = true, priority_route = true}
  %program = aie.core(%core) {
    %zero = arith.constant 0 : index
    aie.use_lock(%full, AcquireGreaterEqual, 1)
    %value = memref.load %arena[%zero] : memref<4096xi32>
    aie.use_lock(%empty, Release, 1)
    aie.use_lock(%done_empty, AcquireGreaterEqual, 1)
    aie.use_lock(%done_full, Release, 1)
    aie.end
  } {stack_size = 1024 : i32}
  aie.runtime_sequence @sequence(%x: memref<4096xi32>) {
    %load = aiex.dma_configure_task(%tile, S2MM, 0) {
      aie.use_lock(%page_empty, AcquireGreaterEqual, 1)
      aie.dma_bd(%memory : memref<4096xi32>, 0, 64) {bd_id = 0 : i32}
      aie.use_lock(%page_full, Release, 1)
      aie.end
    } {repeat_count = 0 : i32}
    aiex.dma_start_task(%load)
    %fill = aiex.dma_configure_task(%shim, MM2S, 0) {
      aie.dma_bd(%x : memref<4096xi32>, 0, 64) {bd_id = 0 : i32}
      aie.end
    }
    aiex.dma_start_task(%fill)
    %send = aiex.dma_configure_task(%tile, MM2S, 0) {
      aie.use_lock(%page_full, AcquireGreaterEqual, 1)
      aie.dma_bd(%memory : memref<4096xi32>, 0, 64) {bd_id = 1 : i32}
      aie.use_lock(%page_empty, Release, 1)
      aie.end
    } {repeat_count = 0 : i32}
    aiex.dma_start_task(%send)
    %take = aiex.dma_configure_task(%core, S2MM, 0) {
      aie.use_lock(%empty, AcquireGreaterEqual, 1)
      aie.dma_bd(%arena : memref<4096xi32>, 0, 32, RING) {bd_id = 0 : i32}
      aie.use_lock(%full, Release, 1)
      aie.end
    } {repeat_count = 1 : i32}
    aiex.dma_start_task(%take)
    %give = aiex.dma_configure_task(%core, MM2S, 0) {
      aie.use_lock(%done_full, AcquireGreaterEqual, 1)
      aie.dma_bd(%arena : memref<4096xi32>, 64, 64) {bd_id = 1 : i32}
      aie.use_lock(%done_empty, Release, 1)
      aie.end
    }
    aiex.dma_start_task(%give)
    %keep = aiex.dma_configure_task(%tile, S2MM, 1) {
      aie.dma_bd(%memory : memref<4096xi32>, 64, 64) {bd_id = 24 : i32}
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%keep)
    aiex.dma_await_task(%keep)
    %spill = aiex.dma_configure_task(%tile, MM2S, 1) {
      aie.dma_bd(%memory : memref<4096xi32>, 64, 64) {bd_id = 25 : i32}
      aie.end
    }
    aiex.dma_start_task(%spill)
    %back = aiex.dma_configure_task(%shim, S2MM, 0) {
      aie.dma_bd(%x : memref<4096xi32>, 64, 64) {bd_id = 1 : i32}
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%back)
    aiex.dma_await_task(%back)
  }
}
""".replace("RING", RING)
"""One page goes from DDR through a MemTile to a core, and another one back."""

Change = tuple[str, str]
MORE = "// more of the device"
KEEP = "aie.dma_bd(%memory : memref<4096xi32>, 64, 64) {bd_id = 24 : i32}"
SPILL = "aie.dma_bd(%memory : memref<4096xi32>, 64, 64) {bd_id = 25 : i32}"
FILL = "aie.dma_bd(%x : memref<4096xi32>, 0, 64) {bd_id = 0 : i32}"


def device(*lines: str) -> Change:
    """More lines in the device."""
    return MORE, "\n".join(lines)


def locked(lock: str, acquire: str, count: int, descriptor: str = KEEP) -> Change:
    """A descriptor inside a lock."""
    use = f"aie.use_lock({lock}, {acquire}, {count})\n{descriptor}\naie.use_lock({lock}, Release, {count})"
    return descriptor, use


def static(
    descriptor: str, *, tile: str = "%north", direction: str = "S2MM", channel: int = 0, runs: int = 1
) -> Change:
    """A channel that runs by itself, with a flow."""
    kind = {"%tile": "memtile_dma", "%shim": "shim_dma"}.get(tile, "mem")
    other = {"%tile": ("%shim", 1) if direction == "S2MM" else ("%north", 1), "%north": ("%tile", 4)}[tile]
    ends = (f"{other[0]}, DMA : {other[1]}", f"{tile}, DMA : {channel}")
    return device(
        f"aie.flow({', '.join(ends if direction == 'S2MM' else ends[::-1])})",
        f"%static = aie.{kind}({tile}) {{",
        f"  %0 = aie.dma_start({direction}, {channel}, ^bd, ^end, repeat_count = {runs - 1})",
        f"^bd:\n  {descriptor}\n  aie.next_bd ^end\n^end:\n  aie.end\n}}",
    )


BROKEN: dict[str, tuple[Change, ...]] = {
    "tile_is_in_the_array": (device("%new = aie.tile(1, 3)"),),
    "tile_is_declared_once": (device("%again = aie.tile(0, 3)"),),
    "core_has_a_tile_of_its_own": (device("%second = aie.core(%core) { aie.end }"),),
    "buffer_has_a_name": (device("%b = aie.buffer(%far) {address = 0 : i32} : memref<4xi32>"),),
    "buffer_lies_in_its_memory": (
        device('%b = aie.buffer(%far) {sym_name = "b", address = 65528 : i32} : memref<4xi32>'),
    ),
    "bank_exists": (
        device('%b = aie.buffer(%far) {sym_name = "b", address = 0 : i32, mem_bank = 4 : i32} : memref<4xi32>'),
    ),
    "buffers_are_disjoint": (device('%b = aie.buffer(%tile) {sym_name = "b", address = 16380 : i32} : memref<4xi32>'),),
    "stack_is_free": (("stack_size = 1024", "stack_size = 2052"),),
    "lock_exists": (device('%l = aie.lock(%far, 16) {sym_name = "l"}'),),
    "lock_begins_in_range": (device('%l = aie.lock(%far, 0) {init = 64 : i32, sym_name = "l"}'),),
    "flow_ends_at_channels": (device("aie.flow(%tile, DMA : 6, %north, DMA : 0)"),),
    "destination_has_one_source": (
        device("aie.flow(%tile, DMA : 2, %north, DMA : 0)", "aie.flow(%tile, DMA : 3, %north, DMA : 0)"),
    ),
    "column_has_room": (
        device(
            "aie.flow(%core, DMA : 1, %tile, DMA : 2)",
            "aie.flow(%north, DMA : 0, %tile, DMA : 3)",
            "aie.flow(%north, DMA : 1, %tile, DMA : 4)",
            "aie.flow(%far, DMA : 0, %tile, DMA : 5)",
        ),
    ),
    "packet_flow_has_an_id": (("packet_flow(1)", "packet_flow(15)"),),
    "core_sends_no_tokens": (
        device("aie.packet_flow(2) { aie.packet_source<%core, TileControl : 0> aie.packet_dest<%shim, South : 0> }"),
    ),
    "token_has_a_way": (("aie.packet_dest<%shim, South : 0>", "aie.packet_dest<%shim, DMA : 1>"),),
    "cascade_goes_to_a_neighbour": (device("aie.cascade_flow(%core, %north)"),),
    "core_names_only_memory": (
        device("%stray = arith.constant 0 : index"),
        ("%arena[%zero]", "%arena[%stray]"),
    ),
    "core_reaches_what_it_names": (("%arena[%zero]", "%away[%zero]"),),
    "core_changes_locks_in_range": (("aie.use_lock(%empty, Release, 1)", "aie.use_lock(%empty, Release, 64)"),),
    "shared_lock_has_two_sides": (("aie.use_lock(%empty, Release, 1)", ""),),
    "channel_has_a_stream": (
        static("aie.dma_bd(%upper : memref<4096xi32>, 0, 4)"),
        ("aie.flow(%tile, DMA : 4, %north, DMA : 0)", ""),
    ),
    "channel_is_started_once": (
        static("aie.dma_bd(%upper : memref<4096xi32>, 0, 4)"),
        ("^bd, ^end, repeat_count = 0)", "^bd, ^more)\n^more:\n  %1 = aie.dma_start(S2MM, 0, ^bd, ^end)"),
    ),
    "task_has_descriptors": ((FILL, f"{FILL}\naie.next_bd ^nothing\n^nothing:"),),
    "task_ends": (
        (
            FILL,
            "aie.dma_bd(%x : memref<4096xi32>, 0, 32) {bd_id = 0 : i32}\naie.next_bd ^again\n^again:\n"
            "aie.dma_bd(%x : memref<4096xi32>, 32, 32) {bd_id = 2 : i32}\naie.next_bd ^again\n^unused:\n" + FILL,
        ),
    ),
    "task_runs_in_range": (static("aie.dma_bd(%upper : memref<4096xi32>, 0, 4)", runs=257),),
    "descriptor_is_in_reach": (("bd_id = 24", "bd_id = 23"),),
    "descriptor_has_a_number_of_its_own": ((FILL, "aie.dma_bd(%x : memref<4096xi32>, 0, 64)"),),
    "length_fits": (static("aie.dma_bd(%upper : memref<4096xi32>, 0, 0)"),),
    "length_is_what_dimensions_move": (
        static("aie.dma_bd(%upper : memref<4096xi32>, 0, 9, [<size = 2, stride = 8>, <size = 4, stride = 1>])"),
    ),
    "moves_whole_words": (static("aie.dma_bd(%bytes : memref<4096xi8>, 0, 6)", tile="%tile", channel=5),),
    "has_no_more_dimensions_than_fields": (
        static(f"aie.dma_bd(%upper : memref<4096xi32>, 0, 16, [{', '.join(['<size = 2, stride = 2>'] * 4)}])"),
    ),
    "sizes_fit": (static("aie.dma_bd(%upper : memref<4096xi32>, 0, 256, [<size = 256, stride = 2>])"),),
    "strides_fit": (
        static("aie.dma_bd(%upper : memref<4096xi32>, 0, 8, [<size = 2, stride = 0>, <size = 4, stride = 1>])"),
    ),
    "iteration_fits": ((f"32, {RING}) {{", f"32, {RING}) {{blockloom.first_run = 2 : i32, "),),
    "padding_fits": (
        static(
            "aie.dma_bd(%memory : memref<4096xi32>, 0, 66, [<size = 2, stride = 1>], "
            "[<const_pad_before = 64, const_pad_after = 0>])",
            tile="%tile",
            direction="MM2S",
            channel=5,
        ),
    ),
    "stays_in_its_buffer": ((FILL, "aie.dma_bd(%x : memref<4096xi32>, 4033, 64) {bd_id = 0 : i32}"),),
    "reaches_its_memory": ((KEEP, KEEP.replace("%memory", "%arena")),),
    "reaches_its_locks": (locked("%upper_mutex", "AcquireGreaterEqual", 1),),
    "takes_a_lock_and_gives_one": (locked("%mutex", "Acquire", 1),),
    "slot_is_passed_on": (("aie.use_lock(%full, Release, 1)", "aie.use_lock(%full, Release, 2)"),),
    "packet_has_a_header": (
        static("aie.dma_bd(%upper : memref<4096xi32>, 0, 4) {packet = #aie.packet_info<pkt_type = 0, pkt_id = 32>}"),
    ),
    "burst_exists": ((FILL, FILL.replace("bd_id", "burst_length = 32 : i32, bd_id")),),
    "queue_is_not_full": (
        ("repeat_count = 0", "repeat_count = 4"),
        ("repeat_count = 1", "repeat_count = 9"),
        ("aiex.dma_start_task(%fill)", "\n".join(["aiex.dma_start_task(%fill)"] * 5)),
    ),
    "descriptor_is_not_rewritten_in_use": (
        (
            "aie.dma_bd(%arena : memref<4096xi32>, 64, 64) {bd_id = 1 : i32}",
            "aie.dma_bd(%arena : memref<4096xi32>, 64, 64) {bd_id = 0 : i32}",
        ),
    ),
    "task_is_started_as_written": (
        (
            "aie.dma_bd(%arena : memref<4096xi32>, 64, 64) {bd_id = 1 : i32}",
            "aie.dma_bd(%arena : memref<4096xi32>, 64, 64) {bd_id = 0 : i32}",
        ),
        ("aiex.dma_start_task(%take)", ""),
        ("aiex.dma_start_task(%give)", "aiex.dma_start_task(%take)\naiex.dma_start_task(%give)"),
    ),
    "task_is_started": (
        (
            "aiex.dma_await_task(%back)",
            "aiex.dma_await_task(%back)\n%idle = aiex.dma_configure_task(%tile, S2MM, 1) {\n"
            "aie.dma_bd(%memory : memref<4096xi32>, 0, 4) {bd_id = 30 : i32}\naie.end\n}",
        ),
    ),
    "iteration_goes_on_in_a_ring": (
        (KEEP, KEEP.replace("64, 64)", f"64, 64, {RING.replace('size = 2, stride = 32', 'size = 3, stride = 64')})")),
        ("<size = 32, stride = 1>]) {bd_id = 24", "<size = 64, stride = 1>]) {bd_id = 24"),
        ("aiex.dma_start_task(%keep)", "aiex.dma_start_task(%keep)\naiex.dma_start_task(%keep)"),
        ("aiex.dma_await_task(%keep)", "aiex.dma_await_task(%keep)\naiex.dma_await_task(%keep)"),
        ("aiex.dma_start_task(%give)", "aiex.dma_start_task(%give) {blockloom.runs = 2 : i32}"),
    ),
    "everything_has_ended": (("aiex.dma_await_task(%back)", ""),),
    "memtile_lock_is_balanced": (
        locked("%mutex", "AcquireGreaterEqual", 1),
        ("aie.use_lock(%mutex, Release, 1)", "aie.use_lock(%mutex, Release, 2)"),
    ),
    "sequence_comes_to_its_end": (
        ("aie.use_lock(%page_empty, AcquireGreaterEqual, 1)", "aie.use_lock(%page_empty, AcquireGreaterEqual, 2)"),
        ("aie.use_lock(%page_full, Release, 1)", "aie.use_lock(%page_full, Release, 2)"),
        ("aie.use_lock(%page_full, AcquireGreaterEqual, 1)", "aie.use_lock(%page_full, AcquireGreaterEqual, 2)"),
        ("aie.use_lock(%page_empty, Release, 1)", "aie.use_lock(%page_empty, Release, 2)"),
    ),
    "lock_is_enough_for_all": (
        ("%page_empty = aie.lock(%tile, 0) {init = 1", "%page_empty = aie.lock(%tile, 0) {init = 2"),
        (FILL, FILL.replace("0, 64", "0, 128")),
        (
            "repeat_count = 0 : i32}\n    aiex.dma_start_task(%load)",
            "repeat_count = 1 : i32}\n    aiex.dma_start_task(%load)",
        ),
        (SPILL, f"aie.use_lock(%page_full, AcquireGreaterEqual, 1)\n{SPILL}\naie.use_lock(%page_empty, Release, 1)"),
        ("aiex.dma_await_task(%keep)", ""),
        ("aiex.dma_start_task(%spill)", "aiex.dma_start_task(%spill)\naiex.dma_await_task(%keep)"),
    ),
}
"""Of each rule the changes that break it."""

TOGETHER: dict[str, tuple[tuple[Change, ...], set[str]]] = {
    "task_has_a_channel": (
        (("%tile, S2MM, 1", "%tile, S2MM, 7"),),
        {"channel_has_a_stream", "stream_is_balanced", "everything_has_ended", "sequence_comes_to_its_end"},
    ),
    "changes_locks_in_range": ((locked("%mutex", "AcquireGreaterEqual", 64),), {"sequence_comes_to_its_end"}),
    "token_comes_before_it_is_awaited": (
        (("aiex.dma_start_task(%keep)", "aiex.dma_await_task(%keep)\naiex.dma_start_task(%keep)"),),
        {"sequence_comes_to_its_end"},
    ),
    "stream_is_balanced": (
        ((FILL, "aie.dma_bd(%x : memref<4096xi32>, 0, 60) {bd_id = 0 : i32}"),),
        {"sequence_comes_to_its_end"},
    ),
}
"""Rules that cannot be broken alone, with those that break with them: a channel that does not exist has no stream."""


def parsed(*changes: Change) -> ModuleOp:
    text = PROGRAM
    for old, new in changes:
        assert old in text, f"the program holds {old}"
        text = text.replace(old, new)
    return Parser(full_context(), text).parse_module()


def rules_broken(*changes: Change) -> set[str]:
    return {fault.rule for fault in check_array(parsed(*changes))}


def test_the_program_breaks_no_rule() -> None:
    assert not rules_broken()


def test_a_start_says_how_often_a_task_runs() -> None:
    once, twice = (f"{{blockloom.runs = {runs} : i32}}" for runs in (1, 2))
    start = "aiex.dma_start_task(%take)"
    assert not rules_broken((start, f"{start} {twice}"))
    assert not rules_broken((start, f"{start} {once}\n{start} {once}"))
    assert "stream_is_balanced" in rules_broken((start, f"{start} {once}"))
    assert "task_runs_in_range" in rules_broken((start, f"{start} {{blockloom.runs = 257 : i32}}"))


def test_a_ring_goes_on_where_it_stands() -> None:
    start = "aiex.dma_start_task(%take)"
    once = f"{start} {{blockloom.runs = 1 : i32}}"
    assert not rules_broken(("<size = 2, stride = 32>", "<size = 3, stride = 32>"), (start, f"{once}\n{once}"))


def test_an_iteration_has_a_longest_turn() -> None:
    assert rules_broken(("<size = 2, stride = 32>", "<size = 65, stride = 32>")) == {"iteration_fits"}


def test_only_a_ring_begins_with_another_run_than_the_first() -> None:
    elsewhere = "blockloom.first_run = 1 : i32"
    # parameters say with which slot a launch begins
    assert not rules_broken((f"32, {RING}) {{", f"32, {RING}) {{{elsewhere}, "))
    ring = RING.replace("stride = 32", "stride = 64").replace("size = 32", "size = 64")
    keep = KEEP.replace("64, 64) {", f"64, 64, {ring}) {{{elsewhere}, ")
    assert rules_broken((KEEP, keep)) == {"iteration_goes_on_in_a_ring"}


@pytest.mark.parametrize(("place", "broken"), [(0, set[str]()), (32, {"iteration_goes_on_in_a_ring"})])
def test_a_ring_goes_on_behind_what_another_task_filled(place: int, broken: set[str]) -> None:
    start = "aiex.dma_start_task(%take)"
    once = f"{start} {{blockloom.runs = 1 : i32}}"
    other = f"""
    %other = aiex.dma_configure_task(%core, S2MM, 0) {{
      aie.use_lock(%empty, AcquireGreaterEqual, 1)
      aie.dma_bd(%arena : memref<4096xi32>, {place}, 32) {{bd_id = 2 : i32}}
      aie.use_lock(%full, Release, 1)
      aie.end
    }}
    aiex.dma_start_task(%other)
    """
    assert rules_broken((", 0, 64)", ", 0, 96)"), (start, f"{once}{other}{once}")) == broken


def test_every_rule_has_a_program_that_breaks_it() -> None:
    names = [rule.__name__ for rule in ALL_RULES]
    assert len(set(names)) == len(names)
    assert set(names) == {*BROKEN, *TOGETHER}
    assert all(rule.__doc__ for rule in ALL_RULES)


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_the_only_one_that_is_named(rule: str) -> None:
    assert rules_broken(*BROKEN[rule]) == {rule}


@pytest.mark.parametrize("rule", TOGETHER)
def test_rules_that_break_together(rule: str) -> None:
    changes, others = TOGETHER[rule]
    assert rules_broken(*changes) == {rule, *others}


def test_all_faults_are_listed_at_once() -> None:
    module = parsed(("bd_id = 24", "bd_id = 23"), ("stack_size = 1024", "stack_size = 2052"))
    with pytest.raises(ArrayFaultError) as caught:
        AieCheckPass().apply(full_context(), module)
    message = str(caught.value)
    assert len(caught.value.faults) == 2
    assert "core (0, 2): arena begins at byte 2048, the stack ends at 2052 [stack_is_free]" in message
    assert "tile (0, 1) S2MM 1, descriptor 23: this channel uses descriptors 24 to 47" in message


FILL_TOO_LATE = (
    ("aiex.dma_start_task(%fill)", ""),
    ("aiex.dma_await_task(%keep)", "aiex.dma_await_task(%keep)\naiex.dma_start_task(%fill)"),
)
NEVER_KEPT = (("aiex.dma_start_task(%keep)\n    aiex.dma_await_task(%keep)", ""),)
STUCK: list[tuple[tuple[Change, ...], str]] = [
    (FILL_TOO_LATE, "tile (0, 1) S2MM 1: its token never comes"),
    (FILL_TOO_LATE, "tile (0, 1) S2MM 0: 64 words of a task are left, and tile (0, 0) MM2S 0 never comes to move them"),
    (FILL_TOO_LATE, "tile (0, 1) MM2S 0: it waits for 1 of page_full, which stays at 0"),
    (FILL_TOO_LATE, "tile (0, 2) MM2S 0: it never begins: 0 of 1 inputs of turn 1 of the core have arrived"),
    (NEVER_KEPT, "tile (0, 2) MM2S 0: 64 words of a task are left, and tile (0, 1) S2MM 1 never comes to move them"),
    (BROKEN["sequence_comes_to_its_end"], "tile (0, 1) S2MM 0: it waits for 2 of page_empty, which stays at 1"),
]


@pytest.mark.parametrize(("changes", "message"), STUCK)
def test_what_stops_says_what_it_waits_for(changes: tuple[Change, ...], message: str) -> None:
    assert any(message in str(fault) for fault in check_array(parsed(*changes)))


def test_many_faults_of_one_rule_are_counted() -> None:
    locks = [f'%l{n} = aie.lock(%far, {n + 20}) {{sym_name = "l{n}"}}' for n in range(10)]
    with pytest.raises(ArrayFaultError, match=r"10 faults[\s\S]*… and 2 more \[lock_exists\]"):
        AieCheckPass().apply(full_context(), parsed(device(*locks)))


@pytest.mark.parametrize("target", ["mesh-1x1", "mesh-2x2", "npu1_1col", "npu1", "npu2", "mesh-5x2"])
def test_what_the_compiler_makes_breaks_no_rule(target: str) -> None:
    assert check_array(residual_program(target).module) == []


SAMPLES = Path(__file__).parents[3] / "shared" / "reference" / "aie-samples"


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample programs are not beside this checkout")
@pytest.mark.parametrize("name", ["routes_npu1", "persistent_core_tasks"])
def test_samples_that_hold_the_whole_protocol_pass(name: str) -> None:
    module = Parser(full_context(), (SAMPLES / f"{name}.mlir").read_text()).parse_module()
    assert check_array(module) == []
