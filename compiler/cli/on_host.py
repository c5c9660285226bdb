"""`blockloom run --on host`: the block-sparse network as machine code for the processor of this machine."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict

from compiler.api import Compilation
from compiler.blobs import write_arrays
from compiler.cli.arguments import parse_files
from compiler.cli.tables import described_outputs, print_outputs
from compiler.errors import InputError
from compiler.jit.machine import require_jit

LEVEL = "bsr"


def run_on_host(options: argparse.Namespace, compiled: Callable[[argparse.Namespace], Compilation]) -> int:
    """Compile, run twice, and say what ran how; the time is that of the second run."""
    require_jit("run --on host")
    if options.level not in (None, LEVEL):
        raise InputError(f"--on host runs the level '{LEVEL}'; --level {options.level} is for the interpreter")
    options.level = LEVEL
    compilation = compiled(options)
    seed = compilation.request.seed if options.seed is None else options.seed
    inputs = compilation.inputs(seed, parse_files(options.input))
    network = compilation.on_host()
    network.run(inputs)
    start = time.perf_counter()
    outcome = network.run(inputs)
    milliseconds = 1000 * (time.perf_counter() - start)
    if options.output is not None:
        write_arrays(options.output, outcome.outputs.items())
    if options.json:
        answer = {
            **compilation.as_json(),
            "level": LEVEL,
            "processor": network.processor.name,
            "products": network.dots.name,
            "compiled": network.compiled,
            "interpreted": [asdict(operation) for operation in network.interpreted],
            "milliseconds": milliseconds,
            "outputs": described_outputs(outcome.outputs),
        }
        print(json.dumps(answer, indent=2, ensure_ascii=False))
        return 0
    print_outputs(outcome.outputs)
    print(
        f"{milliseconds:.2f} ms on one thread of this processor ({network.processor.name}, by {network.dots.name}): "
        f"{network.compiled} operations compiled, {len(network.interpreted)} not"
    )
    for operation in network.interpreted:
        print(f"not compiled: {operation.tensor or operation.operation}: {operation.reason}")
    return 0
