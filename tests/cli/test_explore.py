"""`blockloom explore`: a table and pictures from real processes, and what is wrong with its options."""

from pathlib import Path

import pytest

from compiler.cli.main import main

NETWORK = "zoo:squeezenet@64"


def test_explores_in_processes_and_goes_on_after_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["explore", "--targets", "mesh-1x1,mesh-2x2", "--estimate", "--jobs", "2", "-o", str(tmp_path)]
    assert main([*arguments, "--models", f"zoo:nothing,{NETWORK}"]) == 1
    text = capsys.readouterr().out
    assert "zoo:nothing mesh-2x2 0: the zoo has no network 'nothing'" in text
    assert (tmp_path / "squeezenet_64.svg").exists()
    rows = (tmp_path / "results.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [
        ["zoo:nothing", "mesh-1x1"],
        ["zoo:nothing", "mesh-2x2"],
        [NETWORK, "mesh-1x1"],
        [NETWORK, "mesh-2x2"],
    ]
    assert main([*arguments, "--models", NETWORK]) == 0, "what is known is not measured again"
    assert (tmp_path / "results.csv").read_text().splitlines()[1:3] == rows[3:]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sparsity", "0,50"], "--sparsity is a list of shares between 0 and 1, like 0,0.5; '50' was given"),
        (["--sparsity", "half"], "'half' was given"),
        (["--targets", ","], "--targets is a list with commas; it is empty"),
        (["--targets", "mesh-9x9x9"], "mesh-9x9x9"),
        (["--jobs", "0"], "--jobs is a number of processes, at least 1; 0 was given"),
        (["--address", "here:1"], "give --scheduler dask with it"),
    ],
)
def test_senseless_options_are_refused(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["explore", "--models", NETWORK, "--targets", "mesh-1x1", "-o", str(tmp_path / "out")]
    assert main([*arguments, *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
