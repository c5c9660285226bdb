"""The strategies keep what they promise."""

from hypothesis import given
from strategies import ConvolutionShape, chips, convolution_shapes

from compiler.hardware.chip import Chip


@given(convolution_shapes())
def test_convolutions_have_an_output_and_a_mask_of_their_size(shape: ConvolutionShape) -> None:
    assert min(shape.output_size) >= 1
    assert shape.gamma.shape == (-(-shape.output_channels // 8), -(-shape.input_channels // 8))


@given(chips())
def test_chips_have_cores(chip: Chip) -> None:
    assert 1 <= chip.columns <= 8
    assert 1 <= chip.core_rows <= 8
