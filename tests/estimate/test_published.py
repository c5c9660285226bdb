"""The published cost model: each formula by hand, and all 36 published runs where their logs are at hand."""

from collections import defaultdict
from dataclasses import replace
from math import isclose
from pathlib import Path

import pytest

from compiler.estimate.published import (
    BYTES_PER_SECOND,
    Computing,
    PublishedLayer,
    Weights,
    broadcast_weights_seconds,
    compute_seconds,
    edge_runs,
    layer_seconds,
    load_map_seconds,
    load_weights_seconds,
    write_map_seconds,
)
from compiler.estimate.published_log import LoggedLayer, read_log

LOG = Path(__file__).resolve().parents[3] / "shared" / "reference" / "published-estimates.csv.gz"

STEM = PublishedLayer(
    name="conv1",
    operation="conv2d",
    array=2,
    macs=118_013_952,
    density=1.0,
    weights=Weights(32, 7, 7, 8),
    core_input=(7, 117, 8),
    core_output=(1, 56, 64),
    input_rows=224,
    output_rows=112,
    runs=112,
    loads=2,
    memory_loads=(1, 1),
    load_seconds=4.777312e-05,
    write_seconds=9.346008e-05,
)

PUBLISHED_MILLISECONDS = {
    ("ResNet-50", False): (24.923, 12.695, 10.773, None, 5.713, 4.206, 6.377),
    ("ResNet-50", True): (15.826, 8.661, 7.065, 4.303, 4.490, 3.212, 4.602),
    ("Inception-v3", False): (42.838, 23.866, 17.410, 9.691, 10.640, 8.728, 9.093),
    ("Inception-v3", True): (24.405, 14.224, 10.125, None, 6.440, None, 5.666),
    ("VGG-16", False): (44.762, None, 13.710, None, None, 7.455, 9.203),
    ("VGG-16", True): (26.086, 10.020, 8.852, 4.336, 5.770, 5.289, 6.502),
}
"""The published table, from 2x2 to 8x8 arrays; None where the run failed."""

CORRECTED_MILLISECONDS = {
    ("ResNet-50", 2): (11.80, 8.37),
    ("ResNet-50", 4): (3.97, 3.10),
    ("VGG-16", 4): (6.85, 4.27),
    ("Inception-v3", 4): (5.43, 4.49),
}
"""The reference's table of true MACs, dense and sparse."""


def test_weights_are_blocks_bias_and_mask() -> None:
    assert Weights(64, 1, 1, 64).unified_bytes(1.0) == 4480
    assert Weights(64, 1, 1, 64).unified_bytes(0.5) == 2432


def test_transfers_by_hand() -> None:
    unified = 4 * 64 * 49 + 4 * 32 + 2 * 4
    assert load_weights_seconds(STEM) * BYTES_PER_SECOND == 2 * 12800 + 192
    assert unified == 12680
    assert broadcast_weights_seconds(STEM) * BYTES_PER_SECOND == 2 * 12688 + 192
    assert load_map_seconds(STEM) * BYTES_PER_SECOND == 7 * 120 * 8
    assert write_map_seconds(STEM) * BYTES_PER_SECOND == 56 * 64


def test_output_channels_do_not_count() -> None:
    """The defect: the input tile times the input channels, whatever the number of output channels."""
    cycles = compute_seconds(STEM) * 1e9
    assert round(cycles) == 10033  # ceil(7·117·8 · 7·7·8 / 256)
    wider = replace(STEM, core_output=(1, 56, 512))
    assert compute_seconds(wider) == compute_seconds(STEM)
    assert round(compute_seconds(STEM, Computing.TRUE) * 1e9) == 1029  # ceil(118 013 952 / 112 / 4 / 256)


def test_runs_at_the_edge_overlap_nothing() -> None:
    # 3 rows of padding above reach the first two windows of stride 2, the 2 below reach the last
    assert edge_runs(STEM) == 3
    assert edge_runs(replace(STEM, runs=224)) == 6  # in two parts, each with its own edges
    parts = (load_map_seconds(STEM), compute_seconds(STEM), write_map_seconds(STEM))
    once = 4.777312e-05 + broadcast_weights_seconds(STEM) + 9.346008e-05
    assert isclose(layer_seconds(STEM), once + 109 * max(parts) + 3 * sum(parts))
    assert isclose(layer_seconds(STEM), 1.278079e-3, rel_tol=1e-6)


@pytest.fixture(scope="module")
def logged() -> list[LoggedLayer]:
    """All lines of the published logs."""
    if not LOG.exists():
        pytest.skip(f"the published logs are not at {LOG.name} beside the project")
    return list(read_log(LOG))


def printed(seconds: float, reported: float) -> bool:
    """Equal in the seven digits of the logs, which add up runs that were rounded: the last digit can be off by one."""
    return isclose(seconds, reported, rel_tol=1e-6)


def test_every_transfer_and_every_product_of_the_logs(logged: list[LoggedLayer]) -> None:
    layers = [(line.layer, line.reported) for line in logged if line.layer is not None]
    assert len(layers) == 2428
    for layer, reported in layers:
        assert printed(load_weights_seconds(layer), reported.load_weights)
        assert printed(broadcast_weights_seconds(layer), reported.broadcast_weights)
        assert printed(layer.runs * load_map_seconds(layer), reported.load_map)
        assert printed(layer.runs * write_map_seconds(layer), reported.write_map)
        assert printed(layer.runs * compute_seconds(layer), reported.compute)


def test_every_layer_of_the_logs(logged: list[LoggedLayer]) -> None:
    """A layer's time is the difference of two printed points in time, so its last digit can be off by 10 ns."""
    for line in logged:
        if line.layer is not None:
            assert abs(layer_seconds(line.layer) - line.reported.layer) < 1.2e-8 + 2e-6 * line.reported.layer


def totals(logged: list[LoggedLayer], computing: Computing) -> dict[tuple[str, bool, int], float]:
    """Milliseconds of every run."""
    sums: defaultdict[tuple[str, bool, int], float] = defaultdict(float)
    for line in logged:
        seconds = line.moved if line.layer is None else layer_seconds(line.layer, computing)
        sums[line.network, line.sparse, line.array] += 1000 * seconds
    return sums


def test_totals_to_the_printed_digit(logged: list[LoggedLayer]) -> None:
    found = totals(logged, Computing.PUBLISHED)
    expected = {
        (network, sparse, array): milliseconds
        for (network, sparse), row in PUBLISHED_MILLISECONDS.items()
        for array, milliseconds in enumerate(row, 2)
        if milliseconds is not None
    }
    assert len(expected) == 36
    assert {run: round(milliseconds, 3) for run, milliseconds in found.items()} == expected


def test_true_products_on_the_same_tiles(logged: list[LoggedLayer]) -> None:
    found = totals(logged, Computing.TRUE)
    for (network, array), expected in CORRECTED_MILLISECONDS.items():
        for sparse, milliseconds in zip((False, True), expected, strict=True):
            # printed with two digits, some of them cut off instead of rounded
            assert abs(found[network, sparse, array] - milliseconds) < 0.01
