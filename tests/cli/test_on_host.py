"""`blockloom run --on host`."""

import json
from pathlib import Path

import numpy as np
import pytest

from compiler.cli.main import main
from compiler.jit.machine import has_jit

pytestmark = pytest.mark.skipif(not has_jit(), reason="llvmlite is an extra")
NETWORK = "zoo:squeezenet@64"


def test_outputs_are_those_of_the_interpreter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a model and from a compiled directory, with the same seed."""
    out, seed = str(tmp_path / "out"), ["--seed", "3"]
    assert main(["compile", NETWORK, "--until", "bsr", "-o", out, *seed]) == 0
    runs = {
        "interpreted": [out, "--level", "bsr"],
        "directory": [out, "--on", "host"],
        "model": [NETWORK, "--on", "host", "--level", "bsr", "--json"],
    }
    for name, arguments in runs.items():
        capsys.readouterr()
        assert main(["run", *arguments, *seed, "-o", str(tmp_path / f"{name}.npz")]) == 0
        printed = capsys.readouterr().out
        if name == "directory":
            assert "operations compiled, 2 not\nnot compiled: data_0/quantized: the network's input arrives" in printed
    answer = json.loads(printed)
    assert (answer["compiled"], [entry["operation"] for entry in answer["interpreted"]]) == (39, ["bsr.host"] * 2)
    arrays = [np.load(tmp_path / f"{name}.npz") for name in runs]
    for name in arrays[0].files:
        for other in arrays[1:]:
            np.testing.assert_array_equal(other[name], arrays[0][name])


def test_other_levels_are_for_the_interpreter(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", NETWORK, "--on", "host", "--level", "aie"]) == 2
    assert "--on host runs the level 'bsr'; --level aie is for the interpreter" in capsys.readouterr().err
