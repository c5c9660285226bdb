"""
Run ONNX's own conformance suites against Blockloom, and say by operator where what passed has run.

    python tests/benchmarks/onnx_backend.py                  all of it, a few minutes
    python tests/benchmarks/onnx_backend.py --include conv   the tests whose names match

Each test is tried on the array first (device NPU), which takes it only if int8 represents every tensor of it without
loss, and then in float on the host (device CPU). Tolerances are those of the suite. Exit code 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import unittest
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

OUTCOMES = ("array", "host", "cannot", "wrong")
TITLES = ("passed on the array", "passed on the host", "nothing can run it", "wrong")
WHOLE_NETWORKS = re.compile("densenet|inception|resnet50|shufflenet|squeezenet|vgg19|zfnet|alexnet")
"""Their float weights and images are nothing that int8 represents without loss, so the array is not asked."""


INCOMPARABLE = re.compile("bernoulli|loop16_seq_none")
"""Numbers drawn at random, and a list with a scalar in it, of which the suite asks the length when it compares."""


def official_tests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and, by device, test function of every test of the suites."""
    from onnx.backend.test import BackendTest

    from compiler.onnx_backend import BlockloomBackend

    class Recording(BlockloomBackend):
        """Remembers where the last model ran, and sends the tests of CPU to the device under test."""

        device = "CPU"
        on_array = False

        @classmethod
        def prepare(cls, model: Any, device: str = "CPU", **kwargs: Any) -> Any:
            rep = super().prepare(model, cls.device)
            Recording.on_array = rep.on_array
            return rep

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = BackendTest(Recording, __name__).test_cases
    for case in cases.values():
        for name in sorted(dir(case)):
            if name.startswith("test_") and name.endswith("_cpu"):
                yield name.removesuffix("_cpu"), {"backend": Recording, "run": getattr(case(name), name)}


def outcome(name: str, test: dict[str, Any]) -> tuple[str, str]:
    """Where a test passed, or why it did not."""
    from compiler.errors import BlockloomError

    if INCOMPARABLE.search(name):
        return "cannot", "the suite cannot compare what it draws at random or nests in lists"
    backend = test["backend"]
    for device in ("NPU", "CPU"):
        if device == "NPU" and WHOLE_NETWORKS.search(name):
            continue
        backend.device = device
        try:
            test["run"]()
        except BlockloomError as refusal:
            reason = str(refusal)
        except unittest.SkipTest as skip:
            reason = str(skip)
        except Exception as error:  # whatever a test raises, its result is wrong, and the others go on
            return "wrong", f"{device}: {type(error).__name__}: {error}"
        else:
            return ("array" if backend.on_array else "host"), ""
    return "cannot", reason


def operator_of(name: str) -> str:
    """What a test is about: the first word of its name."""
    return name.removeprefix("test_").removeprefix("operator_").partition("_")[0].rstrip("0123456789d")


def run_suites(include: str = "", *, show: bool = True) -> tuple[Counter[str], dict[str, Counter[str]], list[str]]:
    """The number of tests by outcome, the same by operator, and a line for each that did not pass."""
    total: Counter[str] = Counter()
    by_operator: dict[str, Counter[str]] = defaultdict(Counter)
    lines: list[str] = []
    for name, test in official_tests():
        if not re.search(include, name):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, reason = outcome(name, test)
        total[found] += 1
        by_operator[operator_of(name)][found] += 1
        if found in ("cannot", "wrong"):
            lines.append(f"{found}: {name}: {' '.join(reason.split())[:300]}")
        if show and sys.stderr.isatty():
            print(f"\r{sum(total.values())} tests, {total['wrong']} wrong", end="", file=sys.stderr)
    return total, by_operator, lines


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--include", default="", metavar="REGEX", help="only tests whose name it matches")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ONNX_HOME"] = folder
        total, by_operator, lines = run_suites(options.include)
    width = max(map(len, by_operator), default=8)
    print(" ".join(("operator".ljust(width), *(title.rjust(20) for title in TITLES))))
    for operator, counts in sorted(by_operator.items()):
        print(" ".join((operator.ljust(width), *(str(counts[kind] or "").rjust(20) for kind in OUTCOMES))))
    print("\n".join(lines))
    print(
        f"{sum(total.values())} tests: " + ", ".join(f"{total[k]} {t}" for k, t in zip(OUTCOMES, TITLES, strict=True))
    )
    return 1 if total["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
