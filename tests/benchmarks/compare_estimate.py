"""
The estimate against the simulation: `python tests/benchmarks/compare_estimate.py [-o TABLE.md] [NETWORK …]`.

One line per network, chip and sparsity of a markdown table: cycles of the array, simulated and estimated, and in
total; the segment that agrees least; the largest difference in computing, in waiting for transfers and in standing
still, as shares of a segment's core cycles; bytes between DDR and the array. With `-o` a line is added to the file as
soon as it is known, and lines that are there are not worked out again. The exit code is 1 when a network is off by
more than 5 % or a segment by more than 15 %.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import product
from pathlib import Path

from compiler import compile_model
from compiler.estimate import CoreCycles, Estimate
from compiler.simulate import Simulation, Times

NETWORKS = (
    "zoo:squeezenet@64",
    "zoo:resnet50@64",
    "zoo:vgg16@64",
    "zoo:inception_v1@64",
    "zoo:inception_v3@139",
    "zoo:densenet121@64",
    "zoo:shufflenet@64",
)
TARGETS = ("npu1", "npu2", "mesh-2x2", "mesh-8x8")
SPARSITIES = (0.0, 0.5)
NETWORK_TOLERANCE = 0.05
SEGMENT_TOLERANCE = 0.15
HEAD = (
    "| network | target | sparsity | simulated | estimated | ratio | total ratio | worst segment | its ratio "
    "| compute | transfer | stall | DDR bytes | simulate s | estimate s | agrees |"
)
AGREES, DIFFERS = "yes", "no"


def split(times: Times | CoreCycles) -> tuple[int, int, int]:
    """Core cycles of computing, of waiting for words on their way, and of standing still."""
    return times.compute, times.input + times.weights + times.output, times.idle


def differences(simulation: Simulation, estimate: Estimate) -> list[float]:
    """Of each of the three the largest difference in any segment, as a share of the segment's core cycles."""
    return [
        max(
            abs(split(measured.times)[term] - split(expected.core_cycles)[term]) / max(1, measured.times.total)
            for measured, expected in zip(simulation.segments, estimate.segments, strict=True)
        )
        for term in range(3)
    ]


def line(network: str, target: str, sparsity: float) -> str:
    """One line of the table."""
    compilation = compile_model(network, target=target, sparsity=sparsity)
    begin = time.perf_counter()
    simulation = compilation.simulate()
    middle = time.perf_counter()
    estimate = compilation.estimate()
    end = time.perf_counter()
    ratios = [
        (expected.cycles / max(1, measured.cycles), measured.name)
        for measured, expected in zip(simulation.segments, estimate.segments, strict=True)
    ]
    worst, name = max(ratios, key=lambda pair: abs(pair[0] - 1))
    ratio = estimate.array_cycles / simulation.array_cycles
    agrees = abs(ratio - 1) <= NETWORK_TOLERANCE and abs(worst - 1) <= SEGMENT_TOLERANCE
    total = estimate.total_cycles / simulation.total_cycles
    moved = simulation.ddr_read_bytes + simulation.ddr_written_bytes
    cells = [
        *(network, target, str(sparsity), f"{simulation.array_cycles:,}", f"{estimate.array_cycles:,}"),
        *(f"{ratio:.5f}", f"{total:.5f}", name, f"{worst:.4f}"),
        *(f"{100 * share:.2f} %" for share in differences(simulation, estimate)),
        *(f"{moved:,}", f"{middle - begin:.1f}", f"{end - middle:.2f}", AGREES if agrees else DIFFERS),
    ]
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str]) -> int:
    """All networks on all chips; 1 if one of them is outside the tolerances."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", default=NETWORKS)
    parser.add_argument("-o", "--output", type=Path, help="a table to go on with")
    options = parser.parse_args(arguments)
    known = options.output.read_text().splitlines() if options.output is not None and options.output.exists() else []
    lines = known or [HEAD, "|---" * HEAD.count(" | ") + "|---|"]
    print("\n".join(lines), flush=True)
    for network, target, sparsity in product(options.networks, TARGETS, SPARSITIES):
        if any(text.startswith(f"| {network} | {target} | {sparsity} |") for text in lines):
            continue
        lines.append(line(network, target, sparsity))
        print(lines[-1], flush=True)
        if options.output is not None:
            options.output.write_text("\n".join(lines) + "\n")
    return 1 if any(text.endswith(f"| {DIFFERS} |") for text in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
