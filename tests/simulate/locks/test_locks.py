"""Locks make a descriptor wait; a release is seen some cycles later."""

import pytest
from simulate.tiny import MEMTILE_LOCKS as LOCKS
from simulate.tiny import run, task, through_the_memtile, wait

from compiler.simulate import SimulationError
from compiler.simulate.events import EventQueue, Priority
from compiler.simulate.locks import Lock


def test_one_slot_is_filled_and_emptied_in_turn() -> None:
    # fill 100 + way 8; seen 4 later; empty 100; seen 4 later; fill ... the set-up is over long before
    once = 100 + 8 + 4 + 100
    assert run(LOCKS, through_the_memtile(1, 1)).array_cycles == once + 8
    # in the second round the words that wait in the switches are there at once
    assert run(LOCKS, through_the_memtile(1, 2)).array_cycles == once + 4 + 100 + 4 + 100 + 8


def test_two_slots_overlap_filling_and_emptying() -> None:
    locks = LOCKS.replace("init = 1", "init = 2")
    # every further slot takes 100 cycles and one set-up
    first = run(locks, through_the_memtile(2, 1)).array_cycles
    assert run(locks, through_the_memtile(2, 8)).array_cycles == first + 7 * (100 + 8)


def test_a_lock_that_nobody_releases_is_named() -> None:
    sequence = task("a", "%memtile, MM2S, 0", "acquire %full | %m, 0, 10", token=True) + wait("a")
    with pytest.raises(SimulationError, match="waits for 1 of lock 'full', which holds 0"):
        run(LOCKS, sequence)


def test_a_lock_counts_to_63() -> None:
    sequence = task("a", "%memtile, MM2S, 0", "%m, 0, 1 | release %full", runs=64)
    sequence += task("b", "%core, S2MM, 0", "%arena, 0, 64", token=True) + wait("b")
    with pytest.raises(SimulationError, match=r"lock 'full' rises to 64 .* counts to 63"):
        run(LOCKS, sequence)


def test_who_waits_longest_is_served_first_and_nobody_twice() -> None:
    events = EventQueue()
    lock = Lock("l", 0, 63, 0, events)
    served: list[str] = []
    assert not lock.acquire(1, lambda: served.append("first"))
    assert not lock.acquire(1, lambda: served.append("second"))
    lock.release(1, 5)
    events.run()
    assert served == ["first"]
    assert lock.value == 0


def test_events_of_a_cycle_come_by_priority_then_in_order() -> None:
    events = EventQueue()
    seen: list[tuple[str, int]] = []
    for name, priority in (
        ("controller", Priority.CONTROLLER),
        ("core", Priority.CORE),
        ("release", Priority.RELEASE),
        ("transfer", Priority.TRANSFER),
        ("core again", Priority.CORE),
    ):
        events.at(7, priority, lambda name=name: seen.append((name, events.now)))
    events.at(3, Priority.CONTROLLER, lambda: seen.append(("earlier", events.now)))
    events.run()
    assert seen == [
        ("earlier", 3),
        ("release", 7),
        ("transfer", 7),
        ("core", 7),
        ("core again", 7),
        ("controller", 7),
    ]
