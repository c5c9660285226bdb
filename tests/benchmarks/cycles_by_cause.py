"""
Where the cycles go: `python tests/benchmarks/cycles_by_cause.py [-t TARGETS] [-s SPARSITIES] [NETWORK …]`.

One line per network, chip and sparsity of a markdown table: cycles of the array by the estimate, and their parts as an
average over all cores, in thousands of cycles, which add up to it:

    products   of non-zero blocks, for every tap of every pixel that is asked for, one of 4x8x8 per cycle
    surplus    the rest of the convolutions' inner loops: pixels computed twice or for nothing, blocks that load slower
               than they multiply; less than 0 where rows beyond borders, which are not multiplied, are more
    around     the rest of computing in segments with convolutions: sums to int8 and back, steps, calls, the program of
               the cores, and pools that run in a chain with them
    others     computing in other segments: pools, sums of maps, copies between layouts
    input, weights, output   waiting for words on their way
    idle       cores without parameters, with less to do than others, or between launches
"""

from __future__ import annotations

import argparse
import sys
from itertools import product

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from compiler import compile_model
from compiler.costs.facts import LaunchFacts
from compiler.costs.pass_calls import PassCalls
from compiler.estimate import CoreCycles
from compiler.estimate.facts import launch_facts
from compiler.explore.point import products
from compiler.hardware.chip import Chip, chip_named
from dialects import mem

NETWORKS = ("zoo:resnet50", "zoo:inception_v3", "zoo:vgg16")
COMPUTING, WAITING = ("products", "surplus", "around", "others"), ("input", "weights", "output", "idle")


def inner_loops(facts: LaunchFacts, chip: Chip) -> int:
    """Cycles that the cores of a convolution launch spend in their innermost loops, all cores together."""
    calls = PassCalls(facts, chip)
    heard = np.stack([stream.entries.sum(axis=0) for stream in facts.streams])[facts.stream]
    return calls.calls.of(1, 1, 1, 1).entry * int((calls.on_map.sum(axis=1) * heard).sum())


def convolution_loops(module: ModuleOp, chip: Chip) -> int:
    """The same of all launches of a `mem` module."""
    launches = [op for op in module.walk() if isinstance(op, mem.LaunchOp) and op.kernel.convolves]
    return sum(inner_loops(launch_facts(op, chip), chip) for op in launches)


def parts_of(network: str, target: str, sparsity: float) -> tuple[int, dict[str, int]]:
    """Cycles of the array, and what they are made of, an average over all cores."""
    chip = chip_named(target)
    compilation = compile_model(network, target=target, sparsity=sparsity, until="mem")
    estimate = compilation.estimate()
    convolving, others = CoreCycles(), CoreCycles()
    for segment in estimate.segments:
        if "conv" in segment.kind:
            convolving += segment.core_cycles
        else:
            others += segment.core_cycles
    loops = convolution_loops(compilation.module("mem"), chip)
    needed = products(compilation.module("bsr")) // chip.mac_per_cycle
    both, cores = convolving + others, chip.columns * chip.core_rows
    cycles = {
        "products": needed,
        "surplus": loops - needed,
        "around": convolving.compute - loops,
        "others": others.compute,
        **{name: getattr(both, name) for name in WAITING},
    }
    return estimate.array_cycles, {name: count // cores for name, count in cycles.items()}


def main(arguments: list[str]) -> int:
    """All networks on all chips at all sparsities."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", default=NETWORKS)
    parser.add_argument("-t", "--targets", default="mesh-4x4", metavar="A,B")
    parser.add_argument("-s", "--sparsity", default="0,0.5", metavar="R1,R2")
    options = parser.parse_args(arguments)
    print(f"| network | target | sparsity | cycles | {' | '.join(COMPUTING + WAITING)} |")
    print("|---" * (4 + len(COMPUTING + WAITING)) + "|", flush=True)
    points = product(options.networks, options.targets.split(","), map(float, options.sparsity.split(",")))
    for network, target, sparsity in points:
        cycles, parts = parts_of(network, target, sparsity)
        cells = [network, target, str(sparsity), f"{cycles:,}", *(f"{count / 1000:.0f}" for count in parts.values())]
        print(f"| {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
