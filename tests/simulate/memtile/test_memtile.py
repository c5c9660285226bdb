"""A bank serves one access per cycle; where its channels can ask for more, they wait for each other."""

import pytest
from simulate.tiny import fill, run, task, wait

from compiler import compile_model
from compiler.simulate import LinkKind, Simulation

ONE_BANK = {"memtile_banks": 1, "memtile_bank_bytes_per_cycle": 4}


def two_streams(**numbers: int) -> Simulation:
    """100 words into the MemTile, and 100 others out of it at the same time."""
    sending = task("b", "%memtile, MM2S, 0", "%m, 1000, 100")
    taking = task("c", "%core, S2MM, 0", "%arena, 0, 100", token=True)
    return run("", fill("a", 0, 100, "s") + sending + taking + wait("a") + wait("c"), **numbers)


def test_one_bank_with_an_access_per_word_serves_one_stream_at_a_time() -> None:
    simulation = two_streams(**ONE_BANK)
    # bursts of 64 and 36 words in turn from cycle 8 on: until 72, 136, 172, 208; the last word arrives 8 later
    assert simulation.array_cycles == 200 + 8
    # each channel needs 100 accesses in 8 + 100 cycles
    assert simulation.memtile_bank_load == pytest.approx(2 * 100 / 108)
    (bank,) = (link for link in simulation.links if link.kind is LinkKind.BANK)
    assert (bank.name, bank.busy_cycles, bank.words) == ("bank 0 of MemTile 0", 200, 200)
    assert simulation.segments[0].binding.resource == "bank 0 of MemTile 0"


@pytest.mark.parametrize(
    "numbers",
    [
        # words in turn in two banks: 50 accesses of each channel to each
        {"memtile_banks": 2, "memtile_bank_bytes_per_cycle": 4, "memtile_interleave_bytes": 4},
        # an access for four words
        {"memtile_banks": 1},
    ],
)
def test_banks_that_keep_up_cost_nothing(numbers: dict[str, int]) -> None:
    simulation = two_streams(**numbers)
    assert simulation.array_cycles == 100 + 8
    assert simulation.memtile_bank_load == pytest.approx(
        2 * (50 if "memtile_interleave_bytes" in numbers else 25) / 108
    )
    assert not [link for link in simulation.links if link.kind is LinkKind.BANK]


def scattered(first: int, second: int, **numbers: int) -> Simulation:
    """Two channels send 50 words each that lie 256 bytes apart, from these words on."""
    sequence = ""
    for name, channel, to, start in (("a", 0, "%core, S2MM, 0", first), ("b", 4, "%core, S2MM, 1", second)):
        shape = "[<size = 50, stride = 64>, <size = 1, stride = 1>]"
        sequence += task(f"{name}_out", f"%memtile, MM2S, {channel}", f"%m, {start}, 50, {shape}")
        sequence += task(name, to, f"%arena, {50 * channel}, 50", token=True)
    other = task("c", "%core1, S2MM, 1", "%arena1, 0, 50", token=True)
    return run("", sequence + other + wait("a") + wait("b") + wait("c"), **numbers)


def test_words_that_are_a_turn_of_the_banks_apart_lie_in_one_bank() -> None:
    # both channels in bank 0, one after the other; the way to the farther core has a switch more
    assert scattered(0, 1).array_cycles == 50 + 50 + 12
    # in banks 0 and 1, which the load leaves open: it stands for the worst case; a burst is the shortest time it counts
    assert scattered(0, 4).array_cycles == 50 + 12
    assert scattered(0, 4).memtile_bank_load == pytest.approx(2 * 50 / 64)
    assert scattered(0, 4, memtile_banks=1, memtile_bank_bytes_per_cycle=16).array_cycles == 50 + 50 + 12


@pytest.mark.parametrize("target", ["npu1", "mesh-2x2"])
def test_the_banks_of_a_network_keep_up_when_interleaved(target: str) -> None:
    simulation = compile_model("zoo:squeezenet@64", target=target).simulate()
    assert 0 < simulation.memtile_bank_load <= 1
