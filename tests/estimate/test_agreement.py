"""The estimate is the simulation's number without its events, and never below what is possible at all."""

import json
from pathlib import Path

import pytest
from bsr_modules import module_of
from bsr_networks import Conv, Input, Network
from hypothesis import given, settings
from strategies import targets
from strategies_graphs import Graph, quantised_graphs

from compiler import compile_model
from compiler.cli.main import main
from compiler.errors import InputError
from compiler.estimate import Estimate, estimate
from compiler.estimate.bound import lower_bound
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from compiler.registry import full_context
from compiler.simulate import Simulation, simulate
from passes.convert_bsr_to_mem import ConvertBsrToMemPass
from passes.convert_mem_to_aie import ConvertMemToAiePass

CYCLES = 0.01
"""
Of a segment. Both count the same program with the same kernel cycles; the recurrence leaves out the order of events in
one cycle and the queueing of transfers that begin together: tens of cycles per launch, where a launch takes thousands.
"""
SHORTEST = 50
"""Cycles by which a segment may differ however short it is: a few set-ups, locks and switches."""
CORE_TIME = 0.01
"""Share of a segment's core cycles that the two may count as different kinds of waiting, mostly at its ends."""
SHIFTED = 1024
"""
Cycles between neighbours where DDR is slow. A page of weights takes 2048 cycles then, of all columns at 8 bytes per
cycle. The simulation serves columns in turn, the recurrence all at once, so a segment may wait for half a page that its
neighbour paid for; what one has too much the other has too little, and the total keeps to 2 %.
"""
TERMS = ("compute", "input", "weights", "output", "idle")


def assert_agree(simulated: Simulation, estimated: Estimate) -> None:
    """Names, kinds and instructions are equal, cycles nearly."""
    assert len(simulated.segments) == len(estimated.segments)
    for measured, expected in zip(simulated.segments, estimated.segments, strict=True):
        assert (measured.name, measured.kind) == (expected.name, expected.kind)
        assert measured.instructions == expected.instructions
        assert abs(expected.cycles - measured.cycles) <= SHORTEST + CYCLES * measured.cycles, measured.name
        assert expected.core_cycles.total == expected.cycles * len(simulated.cores)
        for term in TERMS:
            difference = abs(getattr(expected.core_cycles, term) - getattr(measured.times, term))
            assert difference <= SHORTEST * len(simulated.cores) + CORE_TIME * measured.times.total
    assert simulated.launches == estimated.launches
    assert simulated.controller_instructions == estimated.controller_instructions
    exposed = sum(segment.exposed_cycles for segment in simulated.segments)
    assert sum(segment.exposed_cycles for segment in estimated.segments) == pytest.approx(exposed, rel=CYCLES)
    for measured, expected in zip(simulated.controller_totals, estimated.controller_totals, strict=True):
        assert measured.instruction_cycles == expected.instruction_cycles
        assert expected.total_cycles == pytest.approx(measured.total_cycles, rel=CYCLES)
    assert estimated.total_cycles == pytest.approx(simulated.total_cycles, rel=CYCLES)


@pytest.mark.parametrize("target", ["npu1", "mesh-2x2"])
@pytest.mark.parametrize("sparsity", [0.0, 0.5])
def test_a_network_takes_as_long_as_estimated(target: str, sparsity: float) -> None:
    compilation = compile_model("zoo:squeezenet@64", target=target, sparsity=sparsity)
    simulated, estimated = compilation.simulate(), compilation.estimate()
    assert_agree(simulated, estimated)
    assert estimated.array_cycles == pytest.approx(simulated.array_cycles, rel=1e-3)
    assert sum(segment.cycles for segment in estimated.segments) == estimated.array_cycles


@pytest.mark.parametrize("override", ["ddr_bytes_per_cycle=2", "ddr_total_bytes_per_cycle=8", "lock_cycles=20"])
def test_a_chip_with_other_numbers(override: str) -> None:
    module = compile_model("zoo:squeezenet@64", target="npu1", until="bsr", sparsity=0.5).module("bsr")
    context = full_context()
    ConvertBsrToMemPass(target="npu1", overrides=(override,)).apply(context, module)
    estimated = estimate(module)
    ConvertMemToAiePass().apply(context, module)
    simulated = simulate(module)
    slow = override.startswith("ddr")
    assert estimated.array_cycles == pytest.approx(simulated.array_cycles, rel=0.02 if slow else 1e-3)
    for measured, expected in zip(simulated.segments, estimated.segments, strict=True):
        allowed = 0.05 * measured.cycles + (SHIFTED if slow else SHORTEST)
        assert abs(expected.cycles - measured.cycles) <= allowed, measured.name


def test_more_weights_than_the_queues_hold() -> None:
    """The controller waits for the feed of the weights in the middle of a launch."""
    module = module_of(Network(1, (Input(1000, 1, 1),), (Conv(0, 8),)))
    context = full_context()
    ConvertBsrToMemPass(target="mesh-1x1", overrides=("memtile_bytes=16384", "run_limit=2")).apply(context, module)
    estimated = estimate(module)
    ConvertMemToAiePass().apply(context, module)
    simulated = simulate(module)
    assert estimated.array_cycles == pytest.approx(simulated.array_cycles, rel=CYCLES)
    assert estimated.controller_instructions == simulated.controller_instructions


@settings(max_examples=10)
@given(graph=quantised_graphs(), target=targets())
def test_any_network_takes_as_long_as_estimated_and_no_less_than_possible(graph: Graph, target: str) -> None:
    modules = Pipeline.default(target=target).run(import_model(graph.model))
    estimated = estimate(modules["mem"])
    assert_agree(simulate(modules["aie"]), estimated)
    assert lower_bound(modules["mem"]) <= estimated.array_cycles


@pytest.mark.parametrize("numbers", [{"hop_cycles": 12}, {"ddr_bytes_per_cycle": 3, "clock_hz": 500_000_000}])
def test_the_same_numbers_replaced_in_both(numbers: dict[str, int]) -> None:
    compilation = compile_model("zoo:squeezenet@64", target="mesh-2x2", sparsity=0.5)
    simulated, estimated = compilation.simulate(overrides=numbers), compilation.estimate(overrides=numbers)
    assert simulated.array_cycles != compilation.simulate().array_cycles
    assert estimated.clock_hz == simulated.clock_hz
    slow = "ddr_bytes_per_cycle" in numbers
    assert estimated.array_cycles == pytest.approx(simulated.array_cycles, rel=0.02 if slow else 1e-3)
    for measured, expected in zip(simulated.segments, estimated.segments, strict=True):
        allowed = 0.05 * measured.cycles + (SHIFTED if slow else SHORTEST)
        assert abs(expected.cycles - measured.cycles) <= allowed, measured.name
    instructions = [total.instruction_cycles for total in estimated.controller_totals]
    assert instructions == [total.instruction_cycles for total in simulated.controller_totals]


def test_both_refuse_a_number_that_decided_the_plan() -> None:
    compilation = compile_model("zoo:squeezenet@64", target="mesh-1x1")
    for judge in (compilation.simulate, compilation.estimate):
        with pytest.raises(InputError, match="columns decided how the program was made"):
            judge(overrides={"columns": 2})


def test_fewer_blocks_lower_the_bound_and_the_estimate() -> None:
    dense = compile_model("zoo:squeezenet@64", target="npu1", until="mem")
    sparse = compile_model("zoo:squeezenet@64", target="npu1", until="mem", sparsity=0.5)
    assert lower_bound(sparse.module("mem")) < lower_bound(dense.module("mem")) <= dense.estimate().array_cycles
    assert sparse.estimate().array_cycles < dense.estimate().array_cycles


def test_an_array_module_has_no_plan_left() -> None:
    compilation = compile_model("zoo:squeezenet@64", target="mesh-1x1")
    with pytest.raises(InputError, match="needs the module of level 'mem'"):
        estimate(compilation.module("aie"))


def test_the_command_prints_the_table_and_the_promised_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["compile", "zoo:squeezenet@64", "--target", "mesh-2x2", "--until", "mem", "-o", str(out)]) == 0
    capsys.readouterr()
    assert main(["estimate", str(out)]) == 0
    text = capsys.readouterr().out
    assert "conv" in text
    assert text.splitlines()[-2].startswith("array ")
    assert main(["estimate", str(out), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) >= {"model", "target", "sparsity", "array_cycles", "total_cycles", "segments", "host"}
    assert 0 < answer["array_cycles"] < answer["total_cycles"]
    assert all(set(segment) >= {"name", "kind", "cycles"} for segment in answer["segments"])
