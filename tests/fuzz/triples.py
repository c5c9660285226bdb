"""
Draw (network, chip, mask) triples and run each at every level: `python tests/fuzz/triples.py FOLDER`.

    python tests/fuzz/triples.py FOLDER --count 10000 --seconds 3600     goes on where FOLDER stopped
    python tests/fuzz/triples.py FOLDER --seed 17                        one triple, with its traceback

The network is drawn at the `bsr` level, so a triple costs about half a second: bsr against mem, and against the array
under two schedules, one of them with DMA as late as locks allow; `aie-check` looks at every program, and now and then a
checker at the plan and a parser at the printed text. What every seed draws is `strategies_bsr.random_case`.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
from bsr_levels import LevelsDifferError, assert_levels_are_equal
from fuzz.campaign import DifferenceError, campaign_arguments, run_campaign
from strategies_bsr import Case, random_case


def attempt_case(case: Case) -> None:
    """All levels of a case. Raises DifferenceError, and whatever the compiler raises."""
    try:
        assert_levels_are_equal(case.network, case.place, (case.seed, case.seed + 1), thorough=case.thorough)
    except LevelsDifferError as error:
        raise DifferenceError(str(error)) from error


def main() -> int:
    """Exit code 1 if the folder has findings."""
    arguments = campaign_arguments(__doc__ or "", 10_000)
    if arguments.seed is not None:
        case = random_case(arguments.seed)
        print(case)
        attempt_case(case)
        return 0
    counts = run_campaign(
        arguments.folder,
        lambda seed: attempt_case(random_case(seed)),
        lambda seed: repr(random_case(seed)),
        count=arguments.count,
        seconds=arguments.seconds,
    )
    return int(bool(counts.findings))


if __name__ == "__main__":
    sys.exit(main())
