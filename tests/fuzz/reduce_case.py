"""
Reduce a failing triple to a small one that fails in the same way: `python tests/fuzz/reduce_case.py SEED [OUT.mlir]`.

What comes out is a line for `tests/properties/test_minimal_networks.py`, and a module of the `bsr` level with its
weights inline that `blockloom-opt` takes. "The same way" is the same outcome with the same type of exception.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
from bsr_modules import module_of
from fuzz.campaign import failure_of, reduced
from fuzz.shrink_networks import smaller_networks, smaller_places
from fuzz.triples import attempt_case
from strategies_bsr import Case, random_case


def failure_of_case(case: Case) -> str | None:
    """What goes wrong; None if nothing does."""
    try:
        module_of(case.network)
    except Exception:  # not a network: a step that the shrinker only guessed
        return None
    return failure_of(lambda: attempt_case(case))


def smaller_cases(case: Case) -> Iterator[Case]:
    """Every case one step below."""
    yield from (replace(case, network=network) for network in smaller_networks(case.network))
    yield from (replace(case, place=place) for place in smaller_places(case.place))
    if case.thorough:
        yield replace(case, thorough=False)
    if case.seed > 1:
        yield replace(case, seed=case.seed % 2)


def reduced_case(case: Case) -> Case:
    """The smallest case that fails in the same way."""
    return reduced(case, smaller_cases, failure_of_case, str)


def main() -> None:
    """Print each smaller case as it is found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("seed", type=int)
    parser.add_argument("output", type=Path, nargs="?", help="where to write the module of the `bsr` level")
    arguments = parser.parse_args()
    case = reduced_case(random_case(arguments.seed))
    print(f"\n({case.network}, {case.place})")
    if arguments.output is not None:
        arguments.output.write_text(f"{module_of(case.network)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
