"""The table of files with few lines run: which are in it, and which of them have to be explained."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
from coverage_by_file import REASONS, Covered, below, main, spans

ROOT = Path(__file__).resolve().parent.parent
EXPLAINED = next(iter(REASONS))


def report(path: Path, missing: dict[str, list[int]], lines: int = 10) -> str:
    """A report of files of so many lines each, as coverage.py writes it, apart from what is not read."""
    files = {
        name: {"summary": {"num_statements": lines}, "missing_lines": numbers} for name, numbers in missing.items()
    }
    path.write_text(json.dumps({"files": files}), encoding="utf-8")
    return str(path)


def test_reasons_are_of_files_that_there_are() -> None:
    assert [name for name in REASONS if not (ROOT / name).is_file()] == []


def test_a_file_below_wants_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    low = {EXPLAINED: [1, 2], "compiler/whole.py": [], "compiler/enough.py": [10]}
    assert main([report(tmp_path / "coverage.json", low)]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first == f" 80.0 %  {EXPLAINED}: {REASONS[EXPLAINED]}; not run: 1-2"
    assert last == "27 of 30 lines in 3 files; 1 files below 90 %, 0 of them without a reason"
    assert main([report(tmp_path / "coverage.json", low | {"compiler/few.py": [1, 3, 4, 5, 9]})]) == 1
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == " 50.0 %  compiler/few.py: NO REASON; not run: 1, 3-5, 9"
    assert last.endswith("2 files below 90 %, 1 of them without a reason")


def test_the_least_covered_comes_first_and_an_empty_file_is_whole() -> None:
    empty, few, none = Covered("empty.py", 0, ()), Covered("few.py", 4, (2, 3)), Covered("none.py", 1, (1,))
    assert below([few, empty, none]) == [none, few]
    assert spans([]) == ""
