"""The exact search against brute force on small problems, and on large ones whose optimum is known."""

import sys
from itertools import permutations

import pytest
from cut_rectangles import cut_rectangle
from hypothesis import given
from hypothesis import strategies as st
from strategies import allocation_buffers, allocation_problems

from compiler.allocation import Buffer, Method, Problem, allocate, check, lower_bound, require_valid
from compiler.allocation.cpsat import solve_with_cpsat
from compiler.allocation.greedy import best_of_orders, first_fit
from compiler.allocation.restarts import ORDERS, URGENCIES, search_placement
from compiler.allocation.search import Outcome, Search
from compiler.allocation.skyline import ENDLESS, built, cut, raised, tables
from compiler.errors import CapacityError, InputError

ENOUGH_NODES = 1_000_000


def optimum(buffers: tuple[Buffer, ...]) -> int:
    """The least height: a placement that has sunk as far as it goes is what first fit makes of its order from below."""
    return min(first_fit(order).height for order in permutations(buffers))


@given(allocation_buffers(maximum=6))
def test_search_finds_the_optimum_and_proves_it(buffers: tuple[Buffer, ...]) -> None:
    least = optimum(buffers)
    found = search_placement(Problem(buffers, least), nodes=ENOUGH_NODES)
    assert found.solution is not None
    require_valid(Problem(buffers, least), found.solution)
    if buffers:
        below = search_placement(Problem(buffers, least - 1), nodes=ENOUGH_NODES)
        assert below.outcome is Outcome.IMPOSSIBLE


@given(allocation_buffers(maximum=10), st.integers(0, 64), st.data())
def test_every_order_and_urgency_gives_the_same_verdict(
    buffers: tuple[Buffer, ...], spare: int, data: st.DataObject
) -> None:
    """What is tried first decides how long it takes, not what comes out."""
    capacity = lower_bound(Problem(buffers, 0)).live_bytes + spare
    verdicts: set[Outcome] = set()
    for urgency in URGENCIES:
        order = data.draw(st.permutations(buffers))
        search = Search(tables(order), capacity, urgency, [0.0] * len(order))
        verdicts.add(search.run(ENOUGH_NODES, float("inf")))
    assert len(verdicts) == 1
    assert verdicts <= {Outcome.FOUND, Outcome.IMPOSSIBLE}


@given(allocation_problems())
def test_what_is_found_is_valid_and_the_same_each_time(problem: Problem) -> None:
    found = search_placement(problem, nodes=ENOUGH_NODES)
    assert found.solution is not None
    assert check(problem, found.solution) == []
    assert search_placement(problem, nodes=ENOUGH_NODES) == found


@pytest.mark.parametrize(("pieces", "loose"), [(100, 0.0), (150, 0.0), (150, 0.1)])
def test_cut_rectangles_are_put_together_again(pieces: int, loose: float) -> None:
    """All fixed orders need 30 % more than there is; the search finds the placement without a byte to spare."""
    problem = cut_rectangle(0, pieces, loose=loose)
    assert lower_bound(problem).live_bytes <= problem.capacity
    assert best_of_orders(problem, enough=problem.capacity).height > 1.3 * problem.capacity
    require_valid(problem, allocate(problem))


def test_a_search_that_gives_up_says_so() -> None:
    problem = cut_rectangle(1, 150, loose=0.5)
    assert search_placement(problem, nodes=200).outcome is Outcome.GAVE_UP
    assert search_placement(problem, nodes=ENOUGH_NODES, seconds=0).outcome is Outcome.GAVE_UP
    with pytest.raises(CapacityError, match=r"no placement within them was found in a search of 200 nodes: .* 'b\d+'"):
        allocate(problem, nodes=200)
    with pytest.raises(CapacityError, match="was found in any order of size, area or life"):
        allocate(problem, method=Method.GREEDY)


def test_every_order_names_each_buffer_once() -> None:
    problem = cut_rectangle(0, 40)
    for order in ORDERS:
        assert sorted(buffer.name for buffer in order(problem.buffers)) == sorted(b.name for b in problem.buffers)


def test_skylines_stay_joined() -> None:
    flat = [(0, 0), (9, ENDLESS)]
    step = built(flat, 0, 3, 6, 5)
    assert step == [(0, 0), (3, 5), (6, 0), (9, ENDLESS)]
    assert built(step, 0, 0, 3, 5) == [(0, 5), (6, 0), (9, ENDLESS)]
    assert raised(step, 2, 5) == [(0, 0), (3, 5), (9, ENDLESS)]
    assert raised(step, 0, 7) == [(0, 7), (3, 5), (6, 0), (9, ENDLESS)]
    assert cut(step, 4, 9) == [(4, 5), (6, 0), (9, ENDLESS)]
    assert cut(step, 0, 3) == [(0, 0), (3, ENDLESS)]


@pytest.fixture
def ortools() -> None:
    """Tests with it are skipped where there is none."""
    pytest.importorskip("ortools", reason="an extra: pip install 'blockloom[ortools]'")


@pytest.mark.usefixtures("ortools")
@given(allocation_buffers(maximum=8), st.integers(-64, 64))
def test_cp_sat_gives_the_verdict_of_the_search(buffers: tuple[Buffer, ...], spare: int) -> None:
    problem = Problem(buffers, max(0, lower_bound(Problem(buffers, 0)).live_bytes + spare))
    found = solve_with_cpsat(problem)
    assert found.outcome is search_placement(problem, nodes=ENOUGH_NODES).outcome
    assert (found.solution is not None) == (found.outcome is Outcome.FOUND)
    if found.solution is not None:
        require_valid(problem, found.solution)


@pytest.mark.usefixtures("ortools")
def test_cp_sat_out_of_time_says_so() -> None:
    assert solve_with_cpsat(cut_rectangle(0, 30), seconds=0).outcome is Outcome.GAVE_UP


@pytest.mark.usefixtures("ortools")
def test_cp_sat_is_a_method_of_allocate() -> None:
    problem = cut_rectangle(0, 30)
    require_valid(problem, allocate(problem, method=Method.CPSAT, seconds=60))
    pair = Problem((Buffer("a", 0, 1, 60), Buffer("b", 0, 1, 60)), capacity=120)
    with pytest.raises(CapacityError, match="by a complete search"):
        allocate(pair, method=Method.CPSAT)


def test_cp_sat_without_or_tools_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ortools.sat.python.cp_model", None)
    with pytest.raises(InputError, match=r"pip install 'blockloom\[ortools\]'"):
        allocate(Problem((Buffer("a", 0, 1, 8),), 64), method=Method.CPSAT)
