"""The bound of one layer by hand: on one core, nothing is left to the mapping."""

from compiler import compile_model
from compiler.estimate.bound import Bound, launch_bound, weights_bound
from compiler.kernels.parameters import PARAMETER_WORDS
from dialects import mem
from dialects.chip import chip_of


def test_the_slowest_of_three_counts() -> None:
    assert Bound(compute=5, stream=7, ddr=3).cycles == 7
    assert Bound().cycles == 0


def test_a_pointwise_convolution_by_hand() -> None:
    """64 channels to 16 on a map of 15x15 pixels, in one launch on one core."""
    module = compile_model("zoo:squeezenet@64", target="mesh-1x1", until="mem").module("mem")
    segments = [op for op in module.walk() if isinstance(op, mem.SegmentOp) and op.segment_name.data == "n3"]
    (launch,) = [op for op in segments[0].walk() if isinstance(op, mem.LaunchOp)]
    bound = launch_bound(launch, chip_of(module))
    assert bound.compute == 15 * 15 * 64 * 16 // 256
    # every pixel is 16 words, sent once for each chunk of output channels
    chunks = launch.cores[0].own_parameters["output_chunks"]
    assert bound.stream == chunks * 15 * 15 * 16


def test_all_weights_by_hand() -> None:
    """They come once, and with the parameters from DDR, which is twice as fast as the stream that they come on."""
    module = compile_model("zoo:squeezenet@64", target="mesh-1x1", until="mem").module("mem")
    (invocation,) = [op for op in module.walk() if isinstance(op, mem.InvokeOp)]
    bound = weights_bound(invocation, chip_of(module))
    weights = [op for op in module.walk() if isinstance(op, mem.WeightsOp)]
    words = sum(op.chunk_words * count for op in weights for _, count in op.streams)
    launches = sum(isinstance(op, mem.LaunchOp) for op in module.walk())
    assert bound == Bound(0, words, 4 * (words + launches * PARAMETER_WORDS) // 8)
