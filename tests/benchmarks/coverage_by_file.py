"""
Which files have fewer than 90 % of their lines run by the tests, and why:

    pytest --cov=compiler --cov=dialects --cov=passes --cov-report=json
    python tests/benchmarks/coverage_by_file.py coverage.json

One line for each such file: its share, the reason (`REASONS`), and the lines that no test ran. Exit code 1 if a file
has no reason; it wants a test, or some of its lines are of no use.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ENOUGH_PERCENT = 90

REASONS: Mapping[str, str] = {
    "compiler/allocation/cpsat.py": "needs OR-Tools: install '.[ortools]', and its tests are not skipped",
    "compiler/explore/run.py": "needs Dask for a part: install '.[dask]', and its test is not skipped",
}
"""Of files that stay below, as paths from the root of the project: why their tests run too little of them."""


@dataclass(frozen=True)
class Covered:
    """The lines of a file: how many there are to run, and the numbers of those that were not."""

    path: str
    lines: int
    missing: tuple[int, ...]

    @property
    def percent(self) -> float:
        """A file of nothing but its docstring is whole."""
        return 100.0 * (self.lines - len(self.missing)) / self.lines if self.lines else 100.0


def read_report(text: str) -> Iterator[Covered]:
    """The files of a JSON report of coverage.py."""
    for path, found in json.loads(text)["files"].items():
        yield Covered(Path(path).as_posix(), found["summary"]["num_statements"], tuple(found["missing_lines"]))


def below(files: Iterable[Covered]) -> list[Covered]:
    """Those with fewer lines than are enough, the least covered first."""
    return sorted((file for file in files if file.percent < ENOUGH_PERCENT), key=lambda file: (file.percent, file.path))


def spans(lines: Sequence[int]) -> str:
    """Line numbers, with a run of them as its first and its last one."""
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][-1] + 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 if a file in it has no reason."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("report", type=Path, help="what pytest wrote with --cov-report=json")
    files = list(read_report(parser.parse_args(arguments).report.read_text(encoding="utf-8")))
    low = below(files)
    for file in low:
        reason = REASONS.get(file.path, "NO REASON")
        print(f"{file.percent:5.1f} %  {file.path}: {reason}; not run: {spans(file.missing)}")
    run, lines = sum(file.lines - len(file.missing) for file in files), sum(file.lines for file in files)
    unexplained = sum(file.path not in REASONS for file in low)
    print(
        f"{run} of {lines} lines in {len(files)} files; {len(low)} files below {ENOUGH_PERCENT} %, "
        f"{unexplained} of them without a reason"
    )
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
