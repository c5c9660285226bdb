"""Every op of the array as an integer model on the host: the same bits."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import get_args

import numpy as np
import pytest
from bsr_modules import arrays_of, module_of
from every_operation import every_operation, every_scaled_operation
from hypothesis import event, given
from hypothesis import strategies as st
from random_networks import random_network
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from compiler.interpret.bsr import interpret_bsr
from compiler.onnxio.importer import import_model
from compiler.quantization.arithmetic import Rounding
from dialects.bsr import BsrOp, HostOp, WeightsOp
from passes.convert_onnx_to_bsr import ConvertOnnxToBsrPass
from passes.moving_to_host import erase_unread_weights, move_to_host


def all_on_host(module: ModuleOp) -> list[str]:
    """Move everything; the names of the ops that were there."""
    moved = [op for op in module.walk() if isinstance(op, BsrOp) and not isinstance(op, HostOp | WeightsOp)]
    for op in moved:
        move_to_host(op, "so that it runs there")
    erase_unread_weights(module)
    module.verify()
    return [op.name for op in moved]


def assert_the_same_bits(module: ModuleOp, inputs: Mapping[str, np.ndarray]) -> list[str]:
    """The names of the ops that were there."""
    expected = interpret_bsr(module.clone(), inputs)
    moved = all_on_host(module)
    assert {op.name for op in module.walk() if isinstance(op, BsrOp)} <= {"bsr.host"}
    found = interpret_bsr(module, inputs)
    assert found.tensors.keys() == expected.tensors.keys()
    for name, values in (*expected.tensors.items(), *expected.outputs.items()):
        np.testing.assert_array_equal({**found.tensors, **found.outputs}[name], values, err_msg=name)
    return moved


@given(st.integers(0, 2**32 - 1))
def test_any_network_gives_the_same_bits_on_the_host(seed: int) -> None:
    network = random_network(Random(seed))
    for name in assert_the_same_bits(module_of(network), arrays_of(network)):
        event(name)


@pytest.mark.parametrize("rounding", get_args(Rounding))
def test_every_operation(rounding: Rounding) -> None:
    network = every_operation(rounding)
    assert len(assert_the_same_bits(module_of(network), arrays_of(network))) == len(network.layers)


@pytest.mark.parametrize("rounding", get_args(Rounding))
def test_every_operation_of_general_scales(rounding: Rounding) -> None:
    graph = every_scaled_operation()
    module = import_model(graph.model)
    ConvertOnnxToBsrPass(rounding=rounding).apply(Context(), module)
    moved = assert_the_same_bits(module, graph.inputs)
    assert {"bsr.conv2d", "bsr.add", "bsr.sub", "bsr.mul", "bsr.max", "bsr.min", "bsr.concat"} <= {*moved}
