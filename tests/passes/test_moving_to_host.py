"""Every op of the array as an integer model on the host: the same bits."""

from __future__ import annotations

from random import Random

import numpy as np
from bsr_modules import arrays_of, module_of
from hypothesis import event, given
from hypothesis import strategies as st
from random_networks import random_network
from xdsl.dialects.builtin import ModuleOp

from compiler.interpret.bsr import interpret_bsr
from dialects.bsr import BsrOp, HostOp, WeightsOp
from passes.moving_to_host import erase_unread_weights, move_to_host


def all_on_host(module: ModuleOp) -> list[str]:
    """Move everything; the names of the ops that were there."""
    moved = [op for op in module.walk() if isinstance(op, BsrOp) and not isinstance(op, HostOp | WeightsOp)]
    for op in moved:
        move_to_host(op, "so that it runs there")
    erase_unread_weights(module)
    module.verify()
    return [op.name for op in moved]


@given(st.integers(0, 2**32 - 1))
def test_any_network_gives_the_same_bits_on_the_host(seed: int) -> None:
    network = random_network(Random(seed))
    inputs = arrays_of(network)
    expected = interpret_bsr(module_of(network), inputs)
    module = module_of(network)
    for name in all_on_host(module):
        event(name)
    assert {op.name for op in module.walk() if isinstance(op, BsrOp)} <= {"bsr.host"}
    found = interpret_bsr(module, inputs)
    assert found.tensors.keys() == expected.tensors.keys()
    for name, values in (*expected.tensors.items(), *expected.outputs.items()):
        np.testing.assert_array_equal({**found.tensors, **found.outputs}[name], values, err_msg=name)
