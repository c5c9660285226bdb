"""`blockloom simulate` with numbers of the chip replaced and with a trace, and the table that it prints."""

import json
from pathlib import Path
from typing import Any

import pytest

from compiler.cli.main import main


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, compiled."""
    out = tmp_path_factory.mktemp("compiled") / "out"
    assert main(["compile", "zoo:squeezenet@64", "--target", "mesh-1x2", "-o", str(out)]) == 0
    return out


def answer(capsys: pytest.CaptureFixture[str], directory: Path, *options: str) -> dict[str, Any]:
    """What `simulate --json` says."""
    assert main(["simulate", str(directory), "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_slower_descriptors_take_longer_and_the_trace_says_when(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    usual = answer(capsys, directory)
    trace = tmp_path / "trace.json"
    slow = answer(capsys, directory, "--set", "descriptor_cycles=100", "--trace", str(trace))
    assert slow["array_cycles"] > usual["array_cycles"]
    assert [total["instruction_cycles"] for total in usual["controller_totals"]] == [50, 100, 400]
    events = json.loads(trace.read_text())["traceEvents"]
    segments = [event for event in events if event["ph"] == "X" and event["pid"] == 0]
    assert sum(event["args"]["cycles"] for event in segments) == slow["array_cycles"]


def test_the_table_says_where_the_time_goes(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["simulate", str(directory)]) == 0
    lines = capsys.readouterr().out.splitlines()
    heading = next(line for line in lines if "segment" in line)
    for name in ("cycles", "share", "compute", "input", "weights", "output", "idle", "bound by", "barrier", "exposed"):
        assert name in heading
    assert lines[-4].startswith("total by the time of one of ")
    assert "0.05 us: " in lines[-4]
    assert "0.4 us: " in lines[-4]
    assert lines[-3].startswith("MemTile banks: 0.")


def test_a_number_that_decided_the_mapping_is_refused(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(directory), "--set", "columns=4"]) == 2
    assert "columns decided how the program was made" in capsys.readouterr().err
