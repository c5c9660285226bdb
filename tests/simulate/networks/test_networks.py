"""What holds for the simulation of any network on any array."""

from hypothesis import given, settings
from strategies import targets
from strategies_graphs import Graph, quantised_graphs

from compiler.hardware.chip import chip_named
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from compiler.simulate import Simulation, simulate


def simulated(graph: Graph, target: str) -> tuple[Simulation, Simulation]:
    """The same module twice."""
    module = Pipeline.default(target=target).run(import_model(graph.model))["aie"]
    return simulate(module), simulate(module)


@settings(max_examples=15)
@given(graph=quantised_graphs(), target=targets())
def test_everything_adds_up_and_repeats(graph: Graph, target: str) -> None:
    first, second = simulated(graph, target)
    assert first == second
    assert len(first.cores) == chip_named(target).columns * chip_named(target).core_rows
    assert all(core.times.total == first.array_cycles for core in first.cores)
    assert sum(segment.cycles for segment in first.segments) == first.array_cycles
    for segment in first.segments:
        assert segment.times.total == segment.cycles * len(first.cores)
    instructions = sum(segment.instructions for segment in first.segments)
    assert instructions + first.weights_instructions == first.controller_instructions
    assert first.array_cycles <= first.total_cycles
    assert first.array_cycles + sum(segment.exposed_cycles for segment in first.segments) <= first.total_cycles
    for segment in first.segments:
        assert 0 <= segment.barrier_cycles <= segment.cycles
        assert all(0 <= link.busy_cycles <= segment.cycles for link in segment.links)
    for index, link in enumerate(first.links):
        assert link.busy_cycles == sum(segment.links[index].busy_cycles for segment in first.segments)
        # weights come for all segments: their words are in none
        assert link.words >= sum(segment.links[index].words for segment in first.segments)
    read, written = (
        sum(4 * link.words for link in first.links if link.name.startswith(f"DDR {way}")) for way in ("read", "write")
    )
    assert read == sum(segment.ddr_read_bytes for segment in first.segments) + first.weights_bytes
    assert written == sum(segment.ddr_written_bytes for segment in first.segments)
    assert (read, written) == (first.ddr_read_bytes, first.ddr_written_bytes)
