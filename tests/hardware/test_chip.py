"""Chips and the routing plan: names, overrides, and that every core hears what it must on any mesh."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp

from compiler.errors import InputError
from compiler.hardware.chip import PRESETS, Chip, chip_named
from compiler.hardware.routes import FIRST_CORE_ROW, MEMTILE_ROW, SHIM_ROW, channels, flows, listeners
from dialects.chip import chip_attr, chip_of

meshes = st.builds("mesh-{}x{}".format, st.integers(1, 8), st.integers(1, 8)).map(chip_named)


@given(meshes)
def test_every_core_has_one_stream_of_each_kind(chip: Chip) -> None:
    sources: dict[tuple[int, int, int], tuple[int, int, int]] = {}
    for source, target in flows(chip):
        assert target not in sources, "a destination hears one source"
        sources[target] = source
    shared = channels(chip)
    for column in range(chip.columns):
        for row in range(chip.core_rows):
            core = FIRST_CORE_ROW + row
            assert sources[column, core, 0] == (column, MEMTILE_ROW, row)
            assert sources[column, MEMTILE_ROW, row] == (column, core, 0)
            assert sources[column, core, 1] == (chip.source_column(column, row), MEMTILE_ROW, shared.broadcast)
        assert sources[column, MEMTILE_ROW, shared.fill] == (column, SHIM_ROW, 0)
        assert sources[column, MEMTILE_ROW, shared.load] == (column, SHIM_ROW, 1)
        assert sources[column, SHIM_ROW, 0] == (column, MEMTILE_ROW, shared.spill)


@given(meshes)
def test_listeners_of_one_memtile_share_their_domain(chip: Chip) -> None:
    heard = [core for column in range(chip.columns) for core in listeners(chip, column)]
    assert sorted(heard) == [(c, r) for c in range(chip.columns) for r in range(chip.core_rows)]
    for column in range(chip.columns):
        assert len({chip.domain(row) for _, row in listeners(chip, column)}) <= 1


def test_npu1_uses_exactly_six_channels_each_way() -> None:
    used = [(port[2], end) for flow in flows(chip_named("npu1")) for end, port in enumerate(flow) if port[:2] == (0, 1)]
    assert {channel for channel, end in used if end == 0} == set(range(6))
    assert {channel for channel, end in used if end == 1} == set(range(6))


@pytest.mark.parametrize("name", [*PRESETS, "mesh-1x1", "mesh-8x8"])
def test_a_chip_survives_its_attribute(name: str) -> None:
    module = ModuleOp([])
    module.attributes["blockloom.chip"] = chip_attr(chip_named(name))
    assert chip_of(module) == chip_named(name)


def test_a_module_without_a_chip_says_who_writes_it() -> None:
    with pytest.raises(InputError, match=r"the module has no blockloom\.chip; convert-bsr-to-mem"):
        chip_of(ModuleOp([]))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("npu3", r"unknown target 'npu3'; known targets: npu1, .*mesh-RxC \(1x1 to 8x8\).*Did you mean npu"),
        ("mesh-9x1", "unknown target 'mesh-9x1'"),
        ("mesh-0x1", "unknown target 'mesh-0x1'"),
    ],
)
def test_an_unknown_target_is_refused_with_those_that_exist(target: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        chip_named(target)


def test_overrides_are_numbers_of_the_chip() -> None:
    chip = chip_named("npu1")
    assert chip.with_overrides({"memtile_bytes": 4096}).memtile_words == 1024
    with pytest.raises(InputError, match=r"'memtile_byte' is not a number of the chip; close ones: memtile_bytes"):
        chip.with_overrides({"memtile_byte": 4096})
    with pytest.raises(InputError, match="queues of 2 tasks; 3 are needed"):
        chip.with_overrides({"queue_depth": 2})
    with pytest.raises(InputError, match=r"locks that count to 3, and .* 4 cores; give it a larger lock_limit"):
        chip.with_overrides({"lock_limit": 3})
    with pytest.raises(InputError, match="MemTiles of 131072 words, whose descriptors reach 2049 of them"):
        chip.with_overrides({"memtile_length_limit": 2048})
    with pytest.raises(InputError, match="9 columns; 1 to 8 are supported"):
        chip.with_overrides({"columns": 9})
