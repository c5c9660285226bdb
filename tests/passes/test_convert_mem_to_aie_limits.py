"""What `convert-mem-to-aie` refuses because the chip has too little of it."""

from __future__ import annotations

import pytest

from compiler.errors import CapacityError
from compiler.hardware.chip import chip_named
from compiler.kernels.code_size import kernel_bytes
from compiler.kernels.parameters import Kernel
from passes.array_device import DeviceWriter
from passes.convert_mem_to_aie import verify_program_memory


@pytest.mark.parametrize(("name", "needed"), [("core_locks", 8), ("memtile_locks", 8)])
def test_a_tile_with_too_few_locks_for_the_protocol(name: str, needed: int) -> None:
    chip = chip_named("mesh-1x1")
    DeviceWriter(chip.with_overrides({name: needed}), [Kernel.ADD], 1, 4).write()
    with pytest.raises(CapacityError, match=f"the protocol takes {needed}: parameters_"):
        DeviceWriter(chip.with_overrides({name: needed - 1}), [Kernel.ADD], 1, 4).write()


def test_kernels_that_a_core_has_no_room_for_are_named_with_their_bytes() -> None:
    chip = chip_named("mesh-1x1")
    verify_program_memory([Kernel.SCALED_CONV, Kernel.SCALED_ADD], chip)
    last = list(Kernel)[-1]
    sizes = rf"conv {kernel_bytes(Kernel.CONV)}, .*{last.symbol} {kernel_bytes(last)}"
    with pytest.raises(CapacityError, match=rf"program memory \({sizes}\), and 12288 of 16384 are set aside"):
        verify_program_memory(Kernel, chip)
