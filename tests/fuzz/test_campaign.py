"""Campaigns count, go on where they stopped, keep what they find; what is found gets smaller without changing."""

from __future__ import annotations

import time
from pathlib import Path

import onnx
import pytest
from bsr_modules import module_of
from bsr_networks import Add, Conv, Input, MaxPool, Network, Requantise
from fuzz.campaign import DIFFERENCE, EQUAL, EXCEPTION, REFUSED, DifferenceError, outcome_of, run_campaign
from fuzz.float_graphs import attempt_model
from fuzz.reduce_case import reduced_case
from fuzz.reduce_model import reduced_model
from fuzz.shrink_networks import smaller_networks, smaller_places
from fuzz.triples import attempt_case
from strategies_bsr import Case, Place, random_case
from strategies_graphs import GraphBuilder

from compiler.errors import CapacityError, InputError


def attempt(seed: int) -> None:
    """Every way to end."""
    match seed % 5:
        case 1:
            raise InputError("a reason that is long enough to explain what was found and what would fit")
        case 2:
            raise DifferenceError("'tensor'[0] is 1, expected 2")
        case 3:
            raise KeyError(seed)
        case 4:
            raise CapacityError("no")
        case _:
            pass


def test_a_campaign_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = run_campaign(tmp_path, attempt, str, count=4, seconds=60)
    assert first.outcomes == {EQUAL: 1, REFUSED: 1, DIFFERENCE: 1, EXCEPTION: 1}
    assert run_campaign(tmp_path, attempt, str, count=9, seconds=0.0).next_seed == 4
    last = run_campaign(tmp_path, attempt, str, count=9, seconds=60)
    assert last.outcomes == {EQUAL: 2, REFUSED: 2, DIFFERENCE: 2, EXCEPTION: 3}
    assert last.refusals == {"a reason that is long enough to explain what was found and what would fit": 2}
    assert last.findings["3"] == "KeyError: 3"
    assert last.findings["4"] == "a refusal that explains nothing: no"
    assert "'tensor'[0] is 1, expected 2" in (tmp_path / "7.txt").read_text()


def test_what_never_ends_is_an_exception() -> None:
    outcome, reason = outcome_of(lambda: time.sleep(30), seconds=1)
    assert outcome == EXCEPTION
    assert "TooSlowError: took more than 1 s" in reason


def test_a_triple_runs_at_every_level() -> None:
    attempt_case(random_case(0))


def test_reduction_ends_at_the_smallest_case_that_fails_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is planted fails wherever a pool reads what a convolution gave, on more than one column."""

    def planted(case: Case) -> None:
        number = len(case.network.inputs)
        convolutions = {number + index for index, layer in enumerate(case.network.layers) if isinstance(layer, Conv)}
        pools = [layer for layer in case.network.layers if isinstance(layer, MaxPool)]
        if any(pool.source in convolutions for pool in pools) and not case.place.target.endswith("x1"):
            raise DifferenceError("planted")

    monkeypatch.setattr("fuzz.reduce_case.attempt_case", planted)
    layers = (
        Conv(0, 20, (3, 3), pads=(1, 1, 1, 1), mask="half"),
        Requantise(1, 2),
        Conv(2, 12),
        MaxPool(3, (2, 2), (2, 2)),
        Add(4, 4),
    )
    case = Case(Network(7, (Input(17, 9, 8),), layers, (5, 2)), Place("mesh-3x2", ("lock_limit=31",)), 90, True)
    small = reduced_case(case)
    assert [type(layer) for layer in small.network.layers] == [Conv, MaxPool]
    assert small.network.inputs == (Input(1, 1, 1),)
    assert small.place == Place("mesh-1x2")
    assert small.seed == 0
    assert not small.thorough


def test_smaller_networks_are_mostly_networks() -> None:
    network = random_case(12).network
    smaller = list(smaller_networks(network))
    assert network not in smaller
    valid = 0
    for one in smaller:
        try:
            module_of(one)
        except Exception:  # guessed by the shrinker
            continue
        valid += 1
    assert valid > len(smaller) / 3


def test_places_shrink_to_one_core() -> None:
    place = Place("npu1", ("lock_limit=31", "pad_limit=7"))
    while smaller := list(smaller_places(place)):
        place = smaller[0]
    assert place == Place("mesh-1x1")


def test_models_are_reduced_to_the_nodes_that_fail() -> None:
    """What is planted fails wherever a Relu follows a Conv."""

    def planted(model: onnx.ModelProto) -> None:
        onnx.checker.check_model(model, full_check=True)
        makers = {node.output[0]: node.op_type for node in model.graph.node}
        if any(node.op_type == "Relu" and makers.get(node.input[0]) == "Conv" for node in model.graph.node):
            raise DifferenceError("planted")

    builder = GraphBuilder()
    x = builder.conv(builder.softmax(builder.input((1, 8, 6, 6), 4)), 8, relu=True)
    model = builder.model(builder.pool(x, "MaxPool", kernel=(2, 2), position=4), builder.add(x, x, 3))
    small = reduced_model(model, planted)
    assert [node.op_type for node in small.graph.node] == ["Conv", "Relu"]


@pytest.mark.filterwarnings("ignore")
def test_networks_of_nnsmith_run() -> None:
    pytest.importorskip("nnsmith")
    from fuzz.nnsmith_graphs import nnsmith_model

    attempt_model(nnsmith_model(1), 1)
