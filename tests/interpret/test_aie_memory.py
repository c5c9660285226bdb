"""Vector clocks: an access is ordered after another one if its actor has been told, and only then."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.interpret.aie_memory import Actor, Memory, RaceError


def two_actors() -> tuple[Actor, Actor]:
    """Two that know nothing of each other; each has begun its own time."""
    actors = (Actor(0, "alice", np.array([1, 0])), Actor(1, "bob", np.array([0, 1])))
    return actors


def a_memory() -> Memory:
    return Memory("the board", 8, np.random.default_rng(0))


ALL = slice(0, 8)
ONES = np.ones(8, np.int32)


def test_memory_starts_poisoned_and_unwritten() -> None:
    alice, _ = two_actors()
    memory = a_memory()
    assert np.unique(memory.words).size == 8
    with pytest.raises(RaceError, match="alice reads word 0 of the board: nothing wrote it"):
        memory.read(alice, ALL)


def test_an_actor_knows_what_it_did() -> None:
    alice, _ = two_actors()
    memory = a_memory()
    memory.write(alice, ALL, ONES)
    memory.write(alice, ALL, 2 * ONES)
    assert memory.read(alice, slice(3, 5)).tolist() == [2, 2]


def test_a_read_that_was_not_told_of_the_write_is_a_race() -> None:
    alice, bob = two_actors()
    memory = a_memory()
    memory.write(alice, slice(2, 4), ONES[:2])
    with pytest.raises(RaceError, match="bob reads word 2 of the board, which alice wrote; nothing orders the two"):
        memory.read(bob, slice(2, 3))


def test_telling_orders_what_was_done_before_and_nothing_later() -> None:
    alice, bob = two_actors()
    memory = a_memory()
    memory.write(alice, slice(0, 4), ONES[:4])
    told = alice.tell()
    memory.write(alice, slice(4, 8), ONES[:4])
    bob.learn(told)
    assert memory.read(bob, slice(0, 4)).tolist() == [1] * 4
    with pytest.raises(RaceError, match="bob reads word 4"):
        memory.read(bob, slice(4, 8))


def test_a_write_over_what_another_one_may_still_read_is_a_race() -> None:
    alice, bob = two_actors()
    memory = a_memory()
    memory.write(alice, ALL, ONES)
    bob.learn(alice.tell())
    memory.read(bob, slice(6, 7))
    with pytest.raises(RaceError, match="alice writes word 6 of the board, which bob reads; nothing orders the two"):
        memory.write(alice, ALL, ONES)
    alice.learn(bob.tell())
    memory.write(alice, ALL, ONES)


def test_two_writes_must_be_ordered() -> None:
    alice, bob = two_actors()
    memory = a_memory()
    memory.write(alice, ALL, ONES)
    with pytest.raises(RaceError, match="bob writes word 0 of the board, which alice wrote"):
        memory.write(bob, slice(0, 1), ONES[:1])
    bob.learn(alice.tell())
    memory.write(bob, slice(0, 1), ONES[:1])


def test_words_may_be_given_one_by_one_and_errors_name_the_first_bad_one() -> None:
    alice, bob = two_actors()
    memory = a_memory()
    memory.write(alice, np.array([1, 5]), ONES[:2])
    bob.learn(alice.tell())
    memory.write(alice, np.array([5]), ONES[:1])
    with pytest.raises(RaceError, match="bob reads word 5"):
        memory.read(bob, np.array([1, 5]))


def test_nothing_is_no_access() -> None:
    _, bob = two_actors()
    assert a_memory().read(bob, slice(0, 0)).size == 0
