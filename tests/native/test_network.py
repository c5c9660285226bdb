"""What is compiled for this processor computes the numbers of the interpreter, however the processor multiplies."""

from random import Random
from typing import get_args

import numpy as np
import pytest
from bsr_modules import arrays_of, module_of
from bsr_networks import Conv, Input, Mask, Network, Pads, Pair
from every_operation import every_operation, every_scaled_operation
from hypothesis import event, given, settings
from hypothesis import strategies as st
from quantised_models import NETWORKS, Form, quantised
from random_networks import random_network
from strategies_graphs import GraphBuilder
from strategies_scaled import ScaledGraph, scaled_graphs
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from compiler.api import compile_model
from compiler.interpret.bsr import interpret_bsr
from compiler.interpret.execution import Arrays
from compiler.jit.machine import Processor, has_jit, this_processor
from compiler.native.dot_products import DotProducts, usable
from compiler.native.network import NativeNetwork
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from compiler.quantization.arithmetic import Rounding
from dialects.bsr import BsrOp, WeightsOp
from passes.convert_onnx_to_bsr import ConvertOnnxToBsrPass

pytestmark = pytest.mark.skipif(not has_jit(), reason="llvmlite is an extra")
INTERPRETED = {"bsr.concat", "bsr.matmul", "bsr.pad", "bsr.reshape"}
"""Of these, what there is no code for: they are rare. A concatenation is if an operand ends within a block."""
WAYS = usable(this_processor()) if has_jit() else ()


def assert_equal_twice(module: ModuleOp, inputs: Arrays, dots: DotProducts) -> NativeNetwork:
    """The second run finds the memory that the first one left."""
    expected = interpret_bsr(module, inputs).outputs
    network = NativeNetwork(module, dots)
    for _ in range(2):
        found = network.run(inputs).outputs
        assert list(found) == list(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)
    return network


@given(st.integers(0, 2**32 - 1), st.sampled_from(WAYS))
def test_any_network_gives_the_numbers_of_the_interpreter(seed: int, dots: DotProducts) -> None:
    drawn = random_network(Random(seed))
    network = assert_equal_twice(module_of(drawn), dict(arrays_of(drawn)), dots)
    for operation in network.interpreted:
        event(f"interpreted: {operation.reason}")


@settings(max_examples=40)
@given(scaled_graphs(), st.sampled_from(get_args(Rounding)), st.sampled_from(WAYS))
def test_general_scales_give_the_numbers_of_the_interpreter(
    graph: ScaledGraph, rounding: Rounding, dots: DotProducts
) -> None:
    module = import_model(graph.model)
    ConvertOnnxToBsrPass(rounding=rounding).apply(Context(), module)
    network = assert_equal_twice(module, dict(graph.inputs), dots)
    for operation in network.interpreted:
        event(f"interpreted: {operation.operation}")


@pytest.mark.parametrize("rounding", get_args(Rounding))
@pytest.mark.parametrize("dots", WAYS, ids=lambda dots: dots.name)
def test_every_operation(dots: DotProducts, rounding: Rounding) -> None:
    drawn = every_operation(rounding)
    network = assert_equal_twice(module_of(drawn), dict(arrays_of(drawn)), dots)
    assert {operation.operation for operation in network.interpreted} == INTERPRETED


@pytest.mark.parametrize("rounding", get_args(Rounding))
def test_every_operation_of_general_scales(rounding: Rounding) -> None:
    graph = every_scaled_operation()
    module = import_model(graph.model)
    ConvertOnnxToBsrPass(rounding=rounding).apply(Context(), module)
    network = assert_equal_twice(module, dict(graph.inputs), WAYS[0])
    assert {operation.operation for operation in network.interpreted} == {"bsr.host"}
    scaled = {op.name for op in module.walk() if isinstance(op, BsrOp) and op.is_scaled}
    assert scaled >= {f"bsr.{name}" for name in ("conv2d", "add", "sub", "mul", "max", "min", "concat")}


@pytest.mark.parametrize("form", [Form(unsigned=True, per_channel=True), Form(operators=True)], ids=str)
def test_what_only_the_array_cannot_compute_is_compiled(form: Form) -> None:
    """The array lacks multipliers, so on its way there a network of ONNX Runtime's quantiser is left to the host."""
    compilation = compile_model(quantised(NETWORKS["residual"](32), form), until="bsr")
    network = compilation.on_host()
    inputs = compilation.inputs(0)
    for name, array in compilation.run(level="bsr").outputs.items():
        np.testing.assert_array_equal(network.run(inputs).outputs[name], array)
    assert {operation.operation for operation in network.interpreted} == {"bsr.host", "bsr.avg_pool"}
    assert network.compiled > 2 * len(network.interpreted)


@pytest.mark.parametrize("mask", ["full", "empty"])
@pytest.mark.parametrize(
    ("channels", "kernel", "pads"), [(3, (7, 7), (3, 3, 3, 3)), (4, (1, 2), (0, 1, 0, 0)), (1, (2, 1), (0, 0, 0, 0))]
)
def test_two_pixels_of_an_image_share_a_block(channels: int, kernel: Pair, pads: Pads, mask: Mask) -> None:
    """An odd kernel's last tap has no neighbour, and the last pixel of all has none in memory."""
    conv = Conv(0, 9, kernel, strides=(2, 2), pads=pads, mask=mask)
    network = Network(0, (Input(channels, 9, 31),), (conv,))
    (call,) = assert_equal_twice(module_of(network), dict(arrays_of(network)), WAYS[0]).calls
    most = 2 * kernel[0] * -(-kernel[1] // 2)
    assert len(call.constants[1]) == (most if mask == "full" else 0)


@pytest.mark.parametrize("dots", WAYS, ids=lambda dots: dots.name)
def test_a_real_network(dots: DotProducts) -> None:
    compilation = compile_model("zoo:squeezenet@64", sparsity=0.5, until="bsr")
    network = assert_equal_twice(compilation.module("bsr"), dict(compilation.inputs(0)), dots)
    assert {operation.operation for operation in network.interpreted} == {"bsr.host"}
    assert network.compiled > 30


@pytest.mark.parametrize("shape", [(3,), (2, 5), (3, 4, 5)], ids=str)
def test_tensors_that_are_no_maps(shape: tuple[int, ...]) -> None:
    """All elements are channels of one pixel."""
    builder = GraphBuilder()
    left, right = (builder.input(shape, position) for position in (4, 5))
    total = builder.quantise(builder.node("Add", [left.name, right.name]), shape, 3)
    module = Pipeline.default(until="bsr").run(import_model(builder.model(total)))["bsr"]
    assert assert_equal_twice(module, dict(builder.feed()), WAYS[0]).compiled == 1


def test_blocks_of_zeros_are_not_there() -> None:
    """
    Neither blocks outside Γ nor, within one, 8×8 zeros at a tap of a larger kernel: they cost no time. All layers but
    the first, which looks at an image.
    """
    compilation = compile_model("zoo:squeezenet@64", sparsity=0.75, until="bsr")
    weights = [op for op in compilation.module("bsr").walk() if isinstance(op, WeightsOp)][1:]
    taps = [op.block_values().reshape(-1, 64).any(axis=1) for op in weights]
    found = sum([call.constants[2].nbytes for call in compilation.on_host().calls if call.constants][1:])
    assert found == 64 * sum(int(kept.sum()) for kept in taps)
    assert found < 64 * sum(op.gamma_mask().size * op.shape[2] * op.shape[3] for op in weights)


def test_the_fastest_way_that_a_processor_has_is_taken() -> None:
    def first(architecture: str, *features: str) -> str:
        return usable(Processor("some", architecture, frozenset(features)))[0].name

    assert first("x86_64", "sse2", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512vnni") == "AVX512-VNNI"
    assert first("x86_64", "sse2", "avx2", "avxvnni") == "AVX-VNNI"
    assert first("x86_64", "sse2", "avx2") == "AVX2"
    assert first("x86_64", "sse2") == first("aarch64", "neon") == "plain vectors"
