"""
Numbers of the chip that time depends on and the program does not: a time can be asked for with others.

    chip = with_timing(chip, {"descriptor_cycles": 16})

Both judges of time read them here, so that the simulation and the estimate of one `--set` mean the same chip.
"""

from __future__ import annotations

from collections.abc import Mapping

from compiler.errors import InputError
from compiler.hardware.chip import Chip

RATES = frozenset(
    {
        "clock_hz",
        "ddr_bytes_per_cycle",
        "load_bytes_per_cycle",
        "memtile_bank_bytes_per_cycle",
        "memtile_banks",
        "memtile_interleave_bytes",
        "store_bytes_per_cycle",
        "stream_bytes_per_cycle",
    }
)
"""Those that cannot be 0."""

TIMING = RATES | {
    "branch_cycles",
    "controller_cycles",
    "ddr_total_bytes_per_cycle",
    "descriptor_cycles",
    "division_cycles",
    "hop_cycles",
    "kernel_call_cycles",
    "launch_cycles",
    "load_latency_cycles",
    "lock_cycles",
    "loop_cycles",
    "reconfiguration_cycles",
}
"""All of them."""

INSTRUCTION_SECONDS = (0.05e-6, 0.1e-6, 0.4e-6)
"""What a controller instruction may take; nothing between an upper bound of 0.4 us and that is published."""


def with_timing(chip: Chip, overrides: Mapping[str, int]) -> Chip:
    """The chip with some numbers replaced. Raises InputError for one that decided how the network was mapped."""
    replaced = chip.with_overrides(overrides)
    mapped = [name for name in overrides if name not in TIMING]
    if mapped:
        raise InputError(
            f"{', '.join(mapped)} decided how the program was made, so replacing it afterwards says nothing about "
            f"time; replaceable are {', '.join(sorted(TIMING))}"
        )
    stopped = [name for name in overrides if name in RATES and not overrides[name]]
    if stopped:
        raise InputError(f"{', '.join(stopped)} cannot be 0: nothing would ever move")
    return replaced


def instruction_costs(chip: Chip) -> tuple[int, ...]:
    """Cycles of a controller instruction under which totals are shown: the chip's own number first, each once."""
    costs = (chip.controller_cycles, *(round(seconds * chip.clock_hz) for seconds in INSTRUCTION_SECONDS))
    return tuple(dict.fromkeys(costs))
