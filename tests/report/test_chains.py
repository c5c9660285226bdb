"""Rows of a report about layers that run together."""

from bsr_levels import lowered
from bsr_networks import Add, Conv, Input, MaxPool, Network
from strategies_bsr import Place

from compiler.hardware.chip import chip_named
from compiler.report.layers import LayerRow, layer_rows
from compiler.simulate import simulate

PLACE = Place("mesh-4x1", ("memtile_bytes=24576", "ddr_bytes_per_cycle=1"))
FIRST = Conv(0, 16, (3, 3), pads=(1, 1, 1, 1))
SECOND = Conv(1, 16, (3, 3), pads=(1, 1, 1, 1))


def rows_of(network: Network) -> tuple[LayerRow, ...]:
    modules = dict(lowered(network, PLACE))
    return layer_rows(modules, chip_named("mesh-4x1"), simulate(modules["aie"], timeline=True))


def test_a_chain_is_one_row_of_all_its_layers() -> None:
    (row,) = rows_of(Network(3, (Input(16, 64, 24),), (FIRST, SECOND, MaxPool(2, (2, 2), (2, 2)))))
    assert row.name == "layer0+layer1+layer2"
    assert row.operation == "conv 3×3 + conv 3×3 + max pool"
    assert (row.input, row.output) == ("16×64×24", "16×32×12")
    assert row.blocks == (8, 8)
    assert row.placement.bands > 1
    assert row.block_imbalance is not None


def test_a_sum_in_a_chain_reads_what_two_layers_made() -> None:
    (row,) = rows_of(Network(3, (Input(16, 64, 24),), (FIRST, SECOND, Add(2, 1))))
    assert row.operation == "conv 3×3 + conv 3×3 + add"
    assert (row.input, row.output) == ("16×64×24", "16×64×24")
    assert row.blocks == (8, 8)
