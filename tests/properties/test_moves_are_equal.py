"""Whatever moves words, each level puts every one of them where numpy does, and does not change a bit."""

from __future__ import annotations

import numpy as np
from bsr_levels import mapped, on_chip
from hypothesis import given
from hypothesis import strategies as st
from strategies_bsr import Place, places
from strategies_words import Moved, moving_networks
from xdsl.dialects.builtin import ModuleOp

from compiler.checking import execute
from compiler.driver import Driver
from compiler.estimate import estimate
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline, default_stages
from compiler.simulate import simulate
from dialects.bsr import HostOp, MoveOp


def holds_only_constants(module: ModuleOp, moved: Moved) -> bool:
    """Whether some result is the same with all bits of the inputs inverted."""
    inverted = {name: (~value.view(np.uint8)).view(value.dtype) for name, value in moved.inputs.items()}
    found = execute("bsr", module, inverted, 0).outputs
    return any(found[name].tobytes() == expected.tobytes() for name, expected in moved.outputs.items())


@given(moving_networks(), places(), st.integers(0, 2**16))
def test_levels_are_numpy(moved: Moved, place: Place, seed: int) -> None:
    modules = Pipeline((*on_chip(default_stages()[:2], place), *mapped(place))).run(import_model(moved.model))
    if any(isinstance(op, MoveOp) for op in modules["bsr"].walk()):
        assert all(op.operator.data == "Constant" for op in modules["bsr"].walk() if isinstance(op, HostOp))
    else:
        assert holds_only_constants(modules["bsr"], moved)
    for level in ("bsr", "mem", "aie"):
        found = execute(level, modules[level], moved.inputs, seed).outputs
        for name, expected in moved.outputs.items():
            assert (found[name].dtype, found[name].shape) == (expected.dtype, expected.shape)
            assert found[name].tobytes() == expected.tobytes(), f"{name} at {level} on {place}"


@given(moving_networks())
def test_time_is_estimated_exactly(moved: Moved) -> None:
    """No core takes part, so the closed form has nothing to approximate; a driver finds all words in its buffers."""
    modules = Pipeline(default_stages()).run(import_model(moved.model))
    estimated, simulated = estimate(modules["mem"]), simulate(modules["aie"])
    assert [part.cycles for part in estimated.segments] == [part.cycles for part in simulated.segments]
    assert estimated.total_cycles == simulated.total_cycles
    assert all(part.kind == "copy" and part.cycles for part in estimated.segments)
    assert not Driver.of(modules["aie"]).patches_outside()
