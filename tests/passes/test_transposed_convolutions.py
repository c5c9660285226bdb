"""Transposed convolutions fall apart into ordinary ones, which give ONNX Runtime's pixels at every level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_graphs import GraphBuilder, Tensor

from compiler.checking import check_levels
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from dialects.bsr import Conv2dOp, HostOp, InterleaveOp


def transposed(builder: GraphBuilder, x: Tensor, outputs: int, size: tuple[int, int], **attributes: object) -> Tensor:
    """A ConvTranspose with int8 weights and an int32 bias."""
    group, kernel = attributes.get("group", 1), attributes["kernel_shape"]
    weights = builder.random.integers(-128, 128, (x.shape[1], outputs // group, *kernel)).astype(np.int8)
    bias = builder.weight(builder.random.integers(-4096, 4096, outputs).astype(np.int32), x.position + 7)
    name = builder.node("ConvTranspose", [x.name, builder.weight(weights, 7), bias], **attributes)
    return builder.quantise(name, (1, outputs, *size), x.position - 1)


@st.composite
def windows(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[int, int], dict]:
    """Sizes of the map and of the result, and attributes that fit them."""
    side = [draw(st.integers(1, 6)) for _ in range(2)]
    strides, kernel, dilations, pads, added, result = [], [], [], [0] * 4, [], []
    for axis in range(2):
        strides.append(draw(st.integers(1, 4)))
        kernel.append(draw(st.integers(1, 5)))
        dilations.append(draw(st.integers(1, 2)))
        added.append(draw(st.integers(0, strides[axis] - 1)))
        whole = strides[axis] * (side[axis] - 1) + dilations[axis] * (kernel[axis] - 1) + 1 + added[axis]
        pads[axis] = draw(st.integers(0, min(whole - 1, 3)))
        pads[2 + axis] = draw(st.integers(0, min(whole - 1 - pads[axis], 3)))
        result.append(whole - pads[axis] - pads[2 + axis])
    attributes = {"strides": strides, "kernel_shape": kernel, "dilations": dilations, "pads": pads}
    return (
        tuple(side),
        tuple(result),
        {**attributes, "output_padding": added, "group": draw(st.sampled_from((1, 1, 2)))},
    )


@given(windows(), st.integers(1, 6), st.integers(1, 10), st.sampled_from(["mesh-1x1", "mesh-2x2", "npu1"]))
def test_any_transposed_convolution_runs_on_the_array(window: tuple, inputs: int, outputs: int, target: str) -> None:
    side, result, attributes = window
    group = attributes["group"]
    builder = GraphBuilder()
    y = transposed(builder, builder.input((1, group * inputs, *side), 4), group * outputs, result, **attributes)
    model = builder.model(y)
    modules = Pipeline.default(target=target).run(import_model(model))
    computed = [op for op in modules["bsr"].walk() if isinstance(op, HostOp | Conv2dOp | InterleaveOp)]
    hosted = [op.operator.data for op in computed if isinstance(op, HostOp)]
    assert hosted == ["QuantizeLinear", "DequantizeLinear"]
    for comparison in check_levels(modules, builder.feed(), 0):
        assert comparison.holds, str(comparison)


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_pads_that_the_mode_gives(mode: str) -> None:
    builder = GraphBuilder()
    x = builder.input((1, 3, 4, 5), 4)
    size = (11, 14) if mode == "VALID" else (8, 15)
    attributes = {"strides": [2, 3], "kernel_shape": [5, 2] if mode == "VALID" else [5, 4], "auto_pad": mode}
    model = builder.model(transposed(builder, x, 4, size, **attributes))
    modules = Pipeline.default(until="bsr").run(import_model(model))
    for comparison in check_levels(modules, builder.feed(), 0):
        assert comparison.holds, str(comparison)


def test_a_result_of_given_size() -> None:
    builder = GraphBuilder()
    x = builder.input((1, 2, 3, 3), 4)
    attributes = {"strides": [3, 2], "kernel_shape": [3, 3], "output_shape": [10, 8], "output_padding": [1, 1]}
    model = builder.model(transposed(builder, x, 2, (10, 8), **attributes))
    modules = Pipeline.default(until="bsr").run(import_model(model))
    assert sum(isinstance(op, Conv2dOp) for op in modules["bsr"].walk()) == 6
    for comparison in check_levels(modules, builder.feed(), 0):
        assert comparison.holds, str(comparison)


def test_too_many_phases_run_on_the_host() -> None:
    builder = GraphBuilder()
    x = builder.input((1, 2, 3, 3), 4)
    model = builder.model(transposed(builder, x, 2, (13, 13), strides=[5, 5], kernel_shape=[3, 3]))
    modules = Pipeline.default(until="bsr").run(import_model(model))
    reasons = [op.reason.data for op in modules["bsr"].walk() if isinstance(op, HostOp)]
    assert any("its strides make 25 phases, each a convolution" in reason for reason in reasons)
