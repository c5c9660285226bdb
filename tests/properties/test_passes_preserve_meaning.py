"""Translation validation of every pass above the memory level, on drawn networks: no pass changes what is computed."""

from __future__ import annotations

from bsr_modules import module_of
from hypothesis import given
from strategies_bsr import Case, cases
from strategies_graphs import Graph, quantised_graphs
from strategies_scaled import ScaledGraph, scaled_graphs

from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline, Stage, default_stages
from compiler.validation import Validation

ABOVE = default_stages()[:2]
LEGALISING = Stage("bsr", tuple(spec for stage in default_stages() for spec in stage.passes if spec.name[:4] == "bsr-"))


@given(cases())
def test_passes_on_block_sparse_networks(case: Case) -> None:
    Pipeline((LEGALISING,), guards=(Validation(2),)).run(module_of(case.network))


@given(quantised_graphs())
def test_passes_on_graphs_of_powers_of_two(graph: Graph) -> None:
    Pipeline((*ABOVE, LEGALISING), guards=(Validation(1),)).run(import_model(graph.model))


@given(scaled_graphs())
def test_passes_on_graphs_of_general_scales(graph: ScaledGraph) -> None:
    Pipeline((*ABOVE, LEGALISING), guards=(Validation(1),)).run(import_model(graph.model))
