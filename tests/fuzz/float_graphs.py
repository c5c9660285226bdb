"""
Run float networks that NNSmith grows through quantisation and all levels: `python tests/fuzz/float_graphs.py FOLDER`.

    python tests/fuzz/float_graphs.py FOLDER --count 500     goes on where FOLDER stopped
    python tests/fuzz/float_graphs.py FOLDER --seed 17       one network, written to FOLDER/17.onnx

Each network is compiled for a small array, host segments and all; every level is held against the integer reference,
and that against ONNX Runtime. Every fourth time the passes are validated one by one as well. What fails is kept as an
`.onnx` file, which `reduce_model.py` makes smaller.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from random import Random

import onnx

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
from fuzz.campaign import DifferenceError, campaign_arguments, run_campaign

from compiler.api import compile_model
from compiler.validation import Validation, ValidationError

TARGETS = ("mesh-1x1", "mesh-1x2", "mesh-2x1", "mesh-2x2")
VALIDATED = 4
"""One network in so many has its passes validated."""


def attempt_model(model: onnx.ModelProto, seed: int) -> None:
    """Compile and check. Raises DifferenceError, and whatever the compiler raises."""
    random = Random(seed)
    guards = (Validation(1),) if seed % VALIDATED == 0 else ()
    sparsity = random.choice((0.0, 0.0, 0.5))
    try:
        compilation = compile_model(model, target=random.choice(TARGETS), sparsity=sparsity, guards=guards)
    except ValidationError as error:
        raise DifferenceError(str(error)) from error
    for comparison in compilation.check():
        if not comparison.holds:
            raise DifferenceError(f"on {compilation.request.target}: {comparison}")


def main() -> int:
    """Exit code 1 if the folder has findings."""
    arguments = campaign_arguments(__doc__ or "", 500)
    # NNSmith is in an extra that the tests of `attempt_model` do without
    from fuzz.nnsmith_graphs import nnsmith_model

    # NNSmith says that it has no picture library, and quantisation that a value is not finite; neither is an answer
    warnings.simplefilter("ignore")

    grown: dict[int, onnx.ModelProto] = {}

    def attempt(seed: int) -> None:
        grown.clear()
        grown[seed] = nnsmith_model(seed)
        attempt_model(grown[seed], seed)

    def keep(seed: int) -> str:
        """Save what was tried: in another process NNSmith may grow another network from the same seed."""
        if seed not in grown:
            return "NNSmith grew no network"
        path = arguments.folder / f"{seed}.onnx"
        onnx.save(grown[seed], path)
        return str(path)

    if arguments.seed is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        try:
            attempt(arguments.seed)
        finally:
            print(keep(arguments.seed))
        return 0
    counts = run_campaign(arguments.folder, attempt, keep, count=arguments.count, seconds=arguments.seconds)
    return int(bool(counts.findings))


if __name__ == "__main__":
    sys.exit(main())
