"""What `convert-mem-to-aie` refuses because the chip has too little of it."""

from __future__ import annotations

import pytest

from compiler.errors import CapacityError
from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import Kernel
from passes.array_device import DeviceWriter


@pytest.mark.parametrize(("name", "needed"), [("core_locks", 8), ("memtile_locks", 6)])
def test_a_tile_with_too_few_locks_for_the_protocol(name: str, needed: int) -> None:
    chip = chip_named("mesh-1x1")
    DeviceWriter(chip.with_overrides({name: needed}), [Kernel.ADD], 1).write()
    with pytest.raises(CapacityError, match=f"the protocol takes {needed}: parameters_"):
        DeviceWriter(chip.with_overrides({name: needed - 1}), [Kernel.ADD], 1).write()
