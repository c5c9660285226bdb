"""The banks of a MemTile together give more than its channels can move, so they are not simulated."""

from collections import Counter

import pytest
from simulate.tiny import fill, run, wait

from compiler.errors import InputError
from compiler.hardware.chip import PRESETS, chip_named
from compiler.hardware.routes import MEMTILE_ROW, flows

TARGETS = [*PRESETS, *(f"mesh-{rows}x{columns}" for rows in range(1, 9) for columns in range(1, 9))]


@pytest.mark.parametrize("target", TARGETS)
def test_no_target_reaches_the_bandwidth_of_its_banks(target: str) -> None:
    chip = chip_named(target)
    ends = {(end, sends) for flow in flows(chip) for end, sends in zip(flow, (True, False), strict=True)}
    channels = Counter(column for (column, row, _), _ in ends if row == MEMTILE_ROW)
    assert set(channels.values()) == {2 * (chip.core_rows + 2)}
    # 16 banks of 16 bytes: 256. 6 + 6 channels of 4 bytes: 48
    assert max(channels.values()) * chip.stream_bytes_per_cycle <= 16 * 16 // 3


def test_a_chip_whose_channels_outrun_the_banks_is_refused() -> None:
    sequence = fill("a", 0, 100, "s") + wait("a")
    # six channels of the tiny MemTile are in use
    assert run("", sequence, stream_bytes_per_cycle=32, ddr_bytes_per_cycle=64).array_cycles == 13 + 8
    with pytest.raises(InputError, match="6 channels move up to 384 bytes per cycle, its 16 banks 256"):
        run("", sequence, stream_bytes_per_cycle=64)
