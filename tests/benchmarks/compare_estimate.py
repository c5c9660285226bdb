"""
The estimate against the simulation, run by hand: `python tests/benchmarks/compare_estimate.py [NETWORK …]`.

One line per network, chip and sparsity: cycles of the array and in total, the ratio of estimate to simulation, the
segment that agrees least, and the largest difference in what the cores do (share of a segment's core cycles). The exit
code is 1 when a network is off by more than 5 % or a segment by more than 15 %.
"""

from __future__ import annotations

import sys
import time
from itertools import product

from compiler import compile_model
from compiler.estimate import Estimate
from compiler.simulate import Simulation

NETWORKS = (
    "zoo:squeezenet@64",
    "zoo:resnet50@64",
    "zoo:vgg16@64",
    "zoo:inception_v1@64",
    "zoo:inception_v3@96",
    "zoo:densenet121@64",
    "zoo:shufflenet@64",
)
TARGETS = ("npu1", "npu2", "mesh-2x2", "mesh-8x8")
SPARSITIES = (0.0, 0.5)
NETWORK_TOLERANCE = 0.05
SEGMENT_TOLERANCE = 0.15
TERMS = ("compute", "input", "weights", "output", "idle")
HEAD = (
    "| network | target | sparsity | simulated | estimated | ratio | total ratio | worst segment | ratio | terms "
    "| simulate s | estimate s |"
)


def term_difference(simulation: Simulation, estimate: Estimate) -> float:
    """The largest difference in one kind of time of one segment, as a share of the segment's core cycles."""
    return max(
        abs(getattr(measured.times, term) - getattr(expected.core_cycles, term)) / max(1, measured.times.total)
        for measured, expected in zip(simulation.segments, estimate.segments, strict=True)
        for term in TERMS
    )


def compare(network: str, target: str, sparsity: float) -> bool:
    """Print one line; whether it is within the tolerances."""
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
    total = estimate.total_cycles / simulation.total_cycles
    terms = term_difference(simulation, estimate)
    print(
        f"| {network} | {target} | {sparsity} | {simulation.array_cycles:,} | {estimate.array_cycles:,} | {ratio:.5f} "
        f"| {total:.5f} | {name} | {worst:.4f} | {terms:.4f} | {middle - begin:.1f} | {end - middle:.2f} |",
        flush=True,
    )
    return abs(ratio - 1) <= NETWORK_TOLERANCE and abs(worst - 1) <= SEGMENT_TOLERANCE


def main(networks: list[str]) -> int:
    """All networks on all chips; 1 if one of them is outside the tolerances."""
    print(HEAD)
    print("|---" * HEAD.count(" | ") + "|---|")
    agree = [compare(*case) for case in product(networks or NETWORKS, TARGETS, SPARSITIES)]
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
