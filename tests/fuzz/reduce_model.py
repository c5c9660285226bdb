"""
Reduce a failing model to a small one that fails in the same way: `python tests/fuzz/reduce_model.py IN.onnx OUT.onnx`.

It is compiled and checked as `float_graphs.py` does for the seed that the file is named after, or for --seed.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import onnx

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
from fuzz.campaign import failure_of, reduced
from fuzz.float_graphs import attempt_model
from fuzz.shrink_models import smaller_models


def operators(model: onnx.ModelProto) -> str:
    """Of all nodes in order."""
    return ", ".join(node.op_type for node in model.graph.node)


def reduced_model(model: onnx.ModelProto, attempt: Callable[[onnx.ModelProto], None]) -> onnx.ModelProto:
    """The smallest model that fails in the same way."""
    return reduced(model, smaller_models, lambda one: failure_of(lambda: attempt(one)), operators)


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
    onnx.save(reduced_model(onnx.load(arguments.source), lambda model: attempt_model(model, seed)), arguments.result)


if __name__ == "__main__":
    main()
