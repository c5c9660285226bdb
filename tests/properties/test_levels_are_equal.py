"""The definition of correct: whatever the network and the array, every level computes the numbers of the reference."""

from hypothesis import given
from hypothesis import strategies as st
from strategies import targets
from strategies_graphs import Graph, quantised_graphs

from compiler.checking import check_levels
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline


@given(graph=quantised_graphs(), target=targets(), seed=st.integers(0, 2**16))
def test_every_level_computes_the_same_numbers(graph: Graph, target: str, seed: int) -> None:
    modules = Pipeline.default(target=target).run(import_model(graph.model))
    for comparison in check_levels(modules, graph.inputs, seed):
        assert comparison.holds, f"on {target}: {comparison}"
