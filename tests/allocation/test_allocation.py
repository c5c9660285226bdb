"""Allocation is right when the independent checker says so; the checker is tested by hand-made mistakes."""

import dataclasses
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import allocation_problems

from compiler.allocation import Buffer, Problem, Solution, allocate, check, lower_bound, require_valid, sections
from compiler.allocation.greedy import ORDERS, first_fit
from compiler.errors import CapacityError


@given(allocation_problems())
def test_allocation_is_valid_and_not_below_the_bound(problem: Problem) -> None:
    solution = allocate(problem)
    assert check(problem, solution) == []
    assert solution.height >= lower_bound(problem).live_bytes


@given(allocation_problems(), st.sampled_from(ORDERS))
def test_first_fit_is_valid_in_every_order(problem: Problem, order: object) -> None:
    assert callable(order)
    solution = first_fit(order(problem.buffers))
    assert check(problem, solution) == []


@given(allocation_problems(), st.randoms(use_true_random=False))
def test_order_of_the_buffers_given_does_not_matter(problem: Problem, shuffler: random.Random) -> None:
    shuffled = list(problem.buffers)
    shuffler.shuffle(shuffled)
    assert allocate(Problem(tuple(shuffled), problem.capacity)) == allocate(problem)


@given(allocation_problems())
def test_capacity_is_respected_or_refused(problem: Problem) -> None:
    """What is found in ample memory fits in a memory of just that height; below the bound nothing does."""
    height, bound = allocate(problem).height, lower_bound(problem).live_bytes
    tight = dataclasses.replace(problem, capacity=height)
    require_valid(tight, allocate(tight))
    assume(bound > 0)
    with pytest.raises(CapacityError, match=f"holds {bound - 1} bytes, but {bound} bytes are live"):
        allocate(dataclasses.replace(problem, capacity=bound - 1))


@given(allocation_problems())
def test_lower_bound_is_the_peak_over_steps(problem: Problem) -> None:
    steps = {step for buffer in problem.buffers for step in range(buffer.lower, buffer.upper)}
    live = [sum(buffer.size for buffer in problem.buffers if buffer.lower <= step < buffer.upper) for step in steps]
    assert lower_bound(problem).live_bytes == max(live, default=0)
    covered = [step for section in sections(problem) for step in range(section.lower, section.upper)]
    assert covered == sorted(steps)


@given(allocation_problems(), st.data())
def test_checker_notices_a_moved_buffer(problem: Problem, data: st.DataObject) -> None:
    """Putting a buffer onto the bytes of one that is live with it is always found."""
    pairs = [(one, other) for one in problem.buffers for other in problem.buffers if one != other and one.meets(other)]
    assume(pairs)
    one, other = data.draw(st.sampled_from(pairs))
    solution = allocate(problem)
    broken = Solution({**solution.offsets, one.name: solution.offsets[other.name]}, solution.height)
    assert any("overlap" in complaint for complaint in check(problem, broken))


def test_checker_names_each_mistake() -> None:
    problem = Problem((Buffer("a", 0, 2, 64), Buffer("b", 1, 3, 64)), capacity=100)
    assert check(problem, Solution({"a": 0, "c": 0}, 64)) == ["'b' has no offset", "'c' has an offset but is no buffer"]
    assert check(problem, Solution({"a": 0, "b": 64}, 128)) == ["'b' ends at 128, beyond the capacity 100"]
    assert check(problem, Solution({"a": -64, "b": 0}, 64)) == ["'a' starts at -64, before the memory"]
    assert check(problem, Solution({"a": 0, "b": 0}, 64)) == ["'a' [0, 64) and 'b' [0, 64) overlap in steps [1, 2)"]
    unaligned = Problem((Buffer("a", 0, 1, 8),), capacity=100)
    assert check(unaligned, Solution({"a": 4}, 20)) == [
        "'a' starts at 4, not a multiple of 64",
        "the height is said to be 20, the highest buffer ends at 12",
    ]
    with pytest.raises(CapacityError, match="no offset"):
        require_valid(problem, Solution({}, 0))


def test_buffers_that_never_meet_share_their_bytes() -> None:
    problem = Problem((Buffer("a", 0, 1, 512), Buffer("b", 1, 2, 512)), capacity=512)
    assert allocate(problem).offsets == {"a": 0, "b": 0}


def test_capacity_error_teaches() -> None:
    problem = Problem((Buffer("x", 0, 3, 600), Buffer("w", 1, 2, 500), Buffer("small", 0, 3, 8)), capacity=1024)
    with pytest.raises(CapacityError) as caught:
        allocate(problem, memory="MemTile of column 2")
    assert str(caught.value) == (
        "MemTile of column 2 holds 1024 bytes, but 1108 bytes are live in steps [1, 2): 'x' 600, 'w' 500, 'small' 8; "
        "84 bytes must go, for example 'w' (500 bytes) kept elsewhere would fit"
    )


def test_alignment_alone_can_be_too_much() -> None:
    """60 + 60 bytes are live, but 64-byte alignment needs 124: the message says both, and that this is proved."""
    problem = Problem((Buffer("a", 0, 1, 60), Buffer("b", 0, 1, 60)), capacity=120)
    with pytest.raises(CapacityError, match=r"by a complete search .* 120 bytes live .* best fixed order takes 124"):
        allocate(problem)


def test_senseless_buffers_are_refused() -> None:
    with pytest.raises(ValueError, match="live in no step"):
        Buffer("a", 3, 3, 8)
    with pytest.raises(ValueError, match="both must be >= 1"):
        Buffer("a", 0, 1, 0)
    with pytest.raises(ValueError, match="distinct, these are not: a"):
        Problem((Buffer("a", 0, 1, 8), Buffer("a", 1, 2, 8)), 64)
