"""
Campaigns: attempts that are numbered by seed and counted in a file, so that a later run goes on where this one stopped.

A folder holds `counts.json` and, for each finding, a text that says how to see it again. An attempt ends in one of four
ways: everything equal; refused, which is an InputError or a CapacityError that explains itself; a difference between
two levels; or an exception that nobody planned (a defect, a race, a deadlock, or more than `ATTEMPT_SECONDS`).
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import TypeVar

from compiler.errors import CapacityError, InputError

EQUAL, REFUSED, DIFFERENCE, EXCEPTION = "equal", "refused", "difference", "exception"
T = TypeVar("T")

ATTEMPT_SECONDS = 300
SHORTER_SECONDS = 60
"""For each step of a reduction."""
SHORTEST_REASON = 40
"""Characters; a shorter refusal cannot have said what was found and what would fit."""


class TooSlowError(Exception):
    """An attempt that took longer than `ATTEMPT_SECONDS`, and perhaps would never have ended."""


class DifferenceError(Exception):
    """Two levels computed different numbers."""


@dataclass
class Counts:
    """What has been tried so far; `findings` are the seeds of differences and exceptions."""

    next_seed: int = 0
    outcomes: dict[str, int] = field(default_factory=dict[str, int])
    refusals: dict[str, int] = field(default_factory=dict[str, int])
    """Of each kind of reason, which is its text without names and numbers."""
    findings: dict[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.0

    def __str__(self) -> str:
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        return f"{sum(self.outcomes.values())} attempts: {outcomes}; {self.seconds:.0f} s"


def read_counts(folder: Path) -> Counts:
    """The counts of a folder, or those of a campaign that begins."""
    path = folder / "counts.json"
    return Counts(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else Counts()


def _write(folder: Path, counts: Counts) -> None:
    # written beside and renamed, so that a campaign that is killed loses one attempt at most
    beside = folder / "counts.json.new"
    beside.write_text(json.dumps(asdict(counts), indent=1), encoding="utf-8")
    beside.replace(folder / "counts.json")


@contextmanager
def _limited(seconds: int) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlowError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome_of(attempt: Callable[[], None], seconds: int = ATTEMPT_SECONDS) -> tuple[str, str]:
    """How an attempt ends, and why: a message or a traceback."""
    try:
        with _limited(seconds):
            attempt()
    except (InputError, CapacityError) as refusal:
        if len(str(refusal)) < SHORTEST_REASON:
            return EXCEPTION, f"a refusal that explains nothing: {refusal}"
        return REFUSED, str(refusal)
    except DifferenceError as difference:
        return DIFFERENCE, str(difference)
    except Exception:  # all of them are what a campaign looks for
        return EXCEPTION, traceback.format_exc()
    return EQUAL, ""


def failure_of(attempt: Callable[[], None]) -> str | None:
    """What goes wrong, in words without names and numbers, so that smaller attempts can fail alike; None if nothing."""
    outcome, reason = outcome_of(attempt, SHORTER_SECONDS)
    if outcome in (EQUAL, REFUSED):
        return None
    last = re.sub(r"'[^']*'|[0-9]+", "", reason.strip().splitlines()[-1])
    return f"{outcome} {re.split(r'[:(]', last)[0]}"


def reduced(
    subject: T, smaller: Callable[[T], Iterable[T]], failure: Callable[[T], str | None], show: Callable[[T], object]
) -> T:
    """The first smaller subject that fails the same way, again and again until there is none; `show` is printed."""
    wanted = failure(subject)
    if wanted is None:
        raise SystemExit("nothing goes wrong")
    while True:
        for one in smaller(subject):
            if failure(one) == wanted:
                subject = one
                print(show(subject), flush=True)
                break
        else:
            return subject


def campaign_arguments(description: str, count: int) -> argparse.Namespace:
    """What the command line of a campaign asks for: its folder, how many attempts in all, how long, or one seed."""
    parser = argparse.ArgumentParser(description=description.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=count, help="attempts in all, over every run in this folder")
    parser.add_argument("--seconds", type=float, default=3600.0, help="time of this run")
    parser.add_argument("--seed", type=int, help="try only this seed and count nothing")
    return parser.parse_args()


def run_campaign(
    folder: Path,
    attempt: Callable[[int], None],
    describe: Callable[[int], str],
    *,
    count: int,
    seconds: float,
) -> Counts:
    """Try seeds in order until so many have been tried in all, or the time is up; `describe` says what a seed draws."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = read_counts(folder)
    began, before = time.monotonic(), counts.seconds
    while counts.next_seed < count and time.monotonic() - began < seconds:
        seed = counts.next_seed
        outcome, reason = outcome_of(lambda seed=seed: attempt(seed))
        counts.outcomes[outcome] = counts.outcomes.get(outcome, 0) + 1
        if outcome == REFUSED:
            kind = re.sub(r"'[^']*'|[0-9]+", "_", reason.splitlines()[0])[:80]
            counts.refusals[kind] = counts.refusals.get(kind, 0) + 1
        if outcome in (DIFFERENCE, EXCEPTION):
            counts.findings[str(seed)] = reason.strip().splitlines()[-1][:300]
            (folder / f"{seed}.txt").write_text(f"{outcome} at seed {seed}\n{describe(seed)}\n\n{reason}\n")
            print(f"{outcome} at seed {seed}: {counts.findings[str(seed)]}", flush=True)
        counts.next_seed = seed + 1
        counts.seconds = before + time.monotonic() - began
        _write(folder, counts)
    print(counts, flush=True)
    return counts
