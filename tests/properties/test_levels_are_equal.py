"""
The definition of correct: whatever the network and the array, every level computes the numbers of the reference.

From ONNX, pruned or not, with host segments, and against ONNX Runtime. Odd shapes and numbers are drawn at the `bsr`
level, where an example costs less (`test_bsr_levels_are_equal`).
"""

from __future__ import annotations

from bsr_levels import mapped, on_chip
from hypothesis import given
from hypothesis import strategies as st
from strategies_bsr import Place, places
from strategies_graphs import Graph, quantised_graphs

from compiler.checking import check_levels
from compiler.errors import CapacityError
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline, default_stages


@given(quantised_graphs(), places(), st.sampled_from((0.0, 0.3, 0.7)), st.integers(0, 2**16))
def test_every_level_computes_the_same_numbers(graph: Graph, place: Place, sparsity: float, seed: int) -> None:
    above = on_chip(default_stages(sparsity=sparsity)[:2], place)
    try:
        modules = Pipeline((*above, *mapped(place))).run(import_model(graph.model))
    except CapacityError:
        # only a chip with less memory than any real one may be too small for networks of this size
        assert place.overrides
        return
    for comparison in check_levels(modules, graph.inputs, seed):
        assert comparison.holds, f"on {place}: {comparison}"
