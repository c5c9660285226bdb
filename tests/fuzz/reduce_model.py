"""
Reduce a failing model to a small one that fails in the same way: `python tests/fuzz/reduce_model.py IN.onnx OUT.onnx`.

It is compiled and checked as `float_graphs.py` does for the seed that the file is named after, or for --seed.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import onnx

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
from fuzz.campaign import EQUAL, REFUSED, outcome_of
from fuzz.float_graphs import attempt_model
from fuzz.shrink_models import smaller_models

LONGEST_SECONDS = 60


def failure_of(attempt: Callable[[], None]) -> str | None:
    """What goes wrong, in words without names and numbers; None if nothing does."""
    outcome, reason = outcome_of(attempt, LONGEST_SECONDS)
    if outcome in (EQUAL, REFUSED):
        return None
    last = re.sub(r"'[^']*'|[0-9]+", "", reason.strip().splitlines()[-1])
    return f"{outcome} {re.split(r'[:(]', last)[0]}"


def reduced(model: onnx.ModelProto, attempt: Callable[[onnx.ModelProto], None]) -> onnx.ModelProto:
    """The first smaller model that fails the same way, again and again until there is none."""
    wanted = failure_of(lambda: attempt(model))
    if wanted is None:
        raise SystemExit("nothing goes wrong")
    while True:
        for smaller in smaller_models(model):
            if failure_of(lambda one=smaller: attempt(one)) == wanted:
                model = smaller
                print(", ".join(node.op_type for node in model.graph.node), flush=True)
                break
        else:
            return model


def main() -> None:
    """Write the smallest model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    seed = int(arguments.source.stem) if arguments.seed is None else arguments.seed
    # a model in the middle of being reduced may warn of what it was reduced for
    warnings.simplefilter("ignore")
    onnx.save(reduced(onnx.load(arguments.source), lambda model: attempt_model(model, seed)), arguments.result)


if __name__ == "__main__":
    main()
