"""What comes out depends on what goes in and on nothing else, such as the order in which Python's sets hold strings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import hashlib, sys
from compiler import compile_model

compilation = compile_model("zoo:squeezenet@64", target="mesh-2x2", sparsity=0.5)
for level in ("onnx", "bsr", "mem", "aie"):
    print(level, hashlib.sha256(str(compilation.module(level)).encode()).hexdigest())
print(compilation.estimate())
print(compilation.simulate())
"""


def printed(seed: int) -> str:
    """What a new process prints whose strings have other hashes."""
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_modules_estimate_and_simulation_are_the_same_in_every_process() -> None:
    first, second = printed(1), printed(2)
    assert first.count("\n") == 6
    assert first == second
