"""Names of buffers: what all bands of a step have in common."""

from compiler.scheduling.names import (
    PARAMETERS,
    band_name,
    fill_name,
    inner_name,
    map_name,
    ring_name,
    without_band,
)


def test_buffers_of_all_bands_share_a_name() -> None:
    for one, other in (
        (fill_name(3, 14, 0), fill_name(3, 14, 12)),
        (inner_name(3, 14, 0), inner_name(3, 14, 12)),
        (band_name(3, 0), band_name(3, 12)),
    ):
        assert without_band(one) == without_band(other)
    assert len({without_band(name) for name in (fill_name(3, 1, 0), fill_name(31, 1, 0), band_name(3, 0))}) == 3


def test_buffers_without_bands_keep_their_names() -> None:
    """A map's number is no band's: map 12 is not map 1."""
    for name in (map_name(12), ring_name(12), PARAMETERS):
        assert without_band(name) == name
