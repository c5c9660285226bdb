"""The facts of a planned launch are those that are read from the operations which the plan is written down as."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import targets
from strategies_graphs import Graph, quantised_graphs
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp

from compiler import compile_model
from compiler.costs.facts import LaunchFacts, Stream
from compiler.costs.planned import planned_facts
from compiler.estimate.facts import launch_facts
from compiler.hardware.chip import Chip
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from compiler.scheduling.plan import Segment
from compiler.scheduling.program import plan_program
from dialects import mem
from dialects.chip import chip_of
from passes.array_network import build_network
from passes.bsr_fold_pixels import BsrFoldPixelsPass
from passes.bsr_permute_channels import BsrPermuteChannelsPass


def planned(module: ModuleOp, chip: Chip) -> list[LaunchFacts]:
    """Facts of all launches of the plan of a bsr module, as the passes after that level leave it."""
    module = module.clone()
    BsrFoldPixelsPass().apply(Context(), module)
    BsrPermuteChannelsPass().apply(Context(), module)
    (function,) = [op for op in module.body.ops if isinstance(op, func.FuncOp) and op.sym_name.data == "main"]
    segments = plan_program(build_network(function).network(), chip).segments
    return [
        planned_facts(planned.launch, chip)
        for segment in segments
        if isinstance(segment, Segment)
        for band in segment.bands
        for planned in band.launches
    ]


def assert_same(before: LaunchFacts, after: LaunchFacts) -> None:
    """Field by field."""
    for field in fields(LaunchFacts):
        one, other = getattr(before, field.name), getattr(after, field.name)
        if field.name == "streams":
            assert [stream.chunks for stream in one] == [stream.chunks for stream in other]
            for mine, theirs in zip(one, other, strict=True):
                assert isinstance(mine, Stream)
                np.testing.assert_array_equal(mine.entries, theirs.entries)
        else:
            np.testing.assert_array_equal(one, other, field.name)


def assert_plan_says_what_the_operations_say(modules: dict[str, ModuleOp]) -> None:
    """Launch by launch, in order."""
    chip = chip_of(modules["mem"])
    written = [launch_facts(op, chip) for op in modules["mem"].walk() if isinstance(op, mem.LaunchOp)]
    for before, after in zip(planned(modules["bsr"], chip), written, strict=True):
        assert_same(before, after)


@pytest.mark.parametrize("target", ["npu1", "mesh-1x1", "mesh-2x3"])
def test_a_network(target: str) -> None:
    compilation = compile_model("zoo:squeezenet@64", target=target, until="mem", sparsity=0.5)
    assert_plan_says_what_the_operations_say(dict(compilation.modules))


@settings(max_examples=15)
@given(graph=quantised_graphs(), target=targets())
def test_any_network(graph: Graph, target: str) -> None:
    modules = Pipeline.default(target=target, until="mem").run(import_model(graph.model))
    assert_plan_says_what_the_operations_say(dict(modules))
