"""`blockloom simulate` with numbers of the chip replaced and with a trace, and the table that it prints."""

import json
import re
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
    assert any(line.startswith("MemTile banks: 0.") for line in lines)


@pytest.mark.parametrize("command", ["simulate", "estimate"])
def test_what_is_printed_adds_up_to_the_totals(
    directory: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Cycles, instructions and exposed cycles of the rows, and beside them what belongs to no segment."""
    capsys.readouterr()
    assert main([command, str(directory)]) == 0
    lines = capsys.readouterr().out.splitlines()
    heading = [cell.strip() for cell in next(line for line in lines if "segment" in line).split("┃")]
    rows = [[cell.strip() for cell in line.split("│")] for line in lines if line.startswith("│")]

    def added(name: str) -> int:
        return sum(int(row[heading.index(name)].replace(",", "")) for row in rows)

    def numbers(start: str) -> list[int]:
        line = next(line for line in lines if line.startswith(start))
        return [int(number.replace(",", "")) for number in re.findall(r"(?<![.\d])\d[\d,]*(?= )", line)]

    instructions, own, weights = numbers("controller: ")
    assert added("instructions") == own
    assert own + weights == instructions
    assert added("cycles") == numbers("array ")[0]
    assert added("exposed") == numbers("total  ")[-1]
    totals = next(line for line in lines if line.startswith("total by the time of one instruction: "))
    assert [part.split(":")[0] for part in totals.split(": ", 1)[1].split(" cycles, ")] == [
        "0.05 us",
        "0.1 us",
        "0.4 us",
    ]


def test_bytes_of_segments_and_weights_are_all_bytes(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, directory)
    read = sum(segment["ddr_read_bytes"] for segment in found["segments"])
    assert read + found["weights_bytes"] == found["ddr_read_bytes"]
    assert found["ddr_written_bytes"] == sum(segment["ddr_written_bytes"] for segment in found["segments"])
    instructions = sum(segment["controller_instructions"] for segment in found["segments"])
    assert instructions + found["weights_instructions"] == found["controller_instructions"]
    main(["simulate", str(directory)])
    ddr = f"DDR: {found['ddr_read_bytes']:,} bytes read, {found['weights_bytes']:,} of them weights"
    assert ddr in capsys.readouterr().out


def test_a_number_that_decided_the_mapping_is_refused(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(directory), "--set", "columns=4"]) == 2
    assert "columns decided how the program was made" in capsys.readouterr().err
