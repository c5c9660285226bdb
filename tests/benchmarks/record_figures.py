"""
Time and memory of the promised commands, measured by hand: `python tests/benchmarks/record_figures.py`.

Each command runs in a process of its own. Printed are wall seconds, the peak of resident memory, and the limits that
the project has set itself; the exit code is 1 when one is broken. The table on standard output can be kept as it is.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Promise:
    """A command and what it may take on two cores."""

    command: str
    seconds: float
    gigabytes: float = 4.0


PROMISES = (
    Promise("compile zoo:resnet50 --target npu1 -o {out}", 60),
    Promise("compile zoo:resnet50 --target npu1 --sparsity 0.5 -o {out}", 60),
    Promise("run {out} --level aie", 300),
    Promise("simulate {out}", 300),
    Promise("check zoo:squeezenet --target npu1", 45),
    Promise("check zoo:resnet50 --target npu1 --sparsity 0.5", 420),
    Promise("check zoo:resnet50 --target mesh-2x2", 420),
)
MOST_OPERATIONS = 50_000
BYTES_PER_UNIT = 1024 if sys.platform == "linux" else 1
"""Of `ru_maxrss`, which Linux counts in kilobytes."""
SILENT = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]


def measure(arguments: list[str]) -> tuple[int, float, float]:
    """Exit code, wall seconds and peak gigabytes of `blockloom` with these arguments."""
    start = time.perf_counter()
    child = os.posix_spawn(
        sys.executable, [sys.executable, "-m", "compiler.cli.main", *arguments], os.environ, file_actions=SILENT
    )
    _, status, usage = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), time.perf_counter() - start, usage.ru_maxrss * BYTES_PER_UNIT / 1e9


def operations(module: Path) -> int:
    """Operations of a printed module: one per line that is not only punctuation."""
    return sum(1 for line in module.read_text(encoding="utf-8").splitlines() if any(map(str.isalpha, line)))


def main() -> int:
    """Measure everything; 1 when a promise is broken."""
    broken = 0
    print("| command | seconds | limit | GB | limit |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        for promise in PROMISES:
            code, seconds, gigabytes = measure(promise.command.format(out=out).split())
            kept = code == 0 and seconds <= promise.seconds and gigabytes <= promise.gigabytes
            broken += not kept
            command = promise.command.format(out="out")
            cells = [
                f"`{command}`",
                f"{seconds:.1f}",
                f"{promise.seconds:g}",
                f"{gigabytes:.2f}",
                f"{promise.gigabytes:g}",
            ]
            print(f"| {' | '.join(map(str, cells))} |" + ("" if kept else f" broken, exit code {code}"), flush=True)
        count = operations(out / "aie.mlir")
        broken += count > MOST_OPERATIONS
        print(f"\n{count} operations of resnet50 at the aie level, at most {MOST_OPERATIONS}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
