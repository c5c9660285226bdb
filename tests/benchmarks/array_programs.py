"""
Whether array programs are what hardware and upstream's parser would take: `python tests/benchmarks/array_programs.py`.

One line per network, chip and sparsity of a markdown table: controller instructions in all and per layer, the faults
that `aie-check` finds and its seconds, on how many schedules of how many the interpreter agrees bit for bit with the
`bsr` level, and whether mlir-opt-22 parses the text. With `-o` a line is added to the file as soon as it is known, and
lines that are there are not worked out again. The exit code is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import pairwise, product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import numpy as np
import onnx
from quantised_models import FloatNet, depthwise
from xdsl.dialects.builtin import ModuleOp
from xdsl.printer import Printer

from compiler import Compilation, compile_model
from compiler.interpret.aie import interpret_aie
from dialects.mem import LaunchOp
from passes.aie_check import check_array


def ragged_mlp() -> onnx.ModelProto:
    """Layers of sizes that are multiples of nothing."""
    net, sizes, x = FloatNet(5), (37, 53, 19, 10), "x"
    for inputs, outputs in pairwise(sizes):
        x = net.node("Relu", net.linear(x, inputs, outputs))
    return net.model((1, sizes[0]), x, (1, sizes[-1]))


NETWORKS = {
    "zoo:squeezenet@64": (0.0,),
    "zoo:resnet50@64": (0.0, 0.5),
    "depthwise": (0.0,),
    "ragged mlp": (0.0,),
}
TARGETS = ("npu1_1col", "npu1", "npu2")
MLIR_OPT = shutil.which("mlir-opt-22")
FLAGS = ("--allow-unregistered-dialect", "--mlir-very-unsafe-disable-verifier-on-parsing", "-o", "/dev/null")
HEAD = "| network | target | sparsity | instructions | per layer | faults | check s | schedules agree | mlir-opt-22 |"


def parses(module: ModuleOp) -> str:
    """What mlir-opt-22 says of the module in generic form; its own verifier refuses a call inside an unknown device."""
    if MLIR_OPT is None:
        return "not installed"
    with tempfile.NamedTemporaryFile("w", suffix=".mlir") as text:
        Printer(text, print_generic_format=True).print_op(module)
        text.flush()
        done = subprocess.run([MLIR_OPT, text.name, *FLAGS], capture_output=True, text=True, check=False)
    return "parses" if done.returncode == 0 else done.stderr.splitlines()[0]


def agreeing(compilation: Compilation, schedules: int) -> int:
    """Schedules on which the array level gives all numbers that the block-sparse level gives."""
    expected, agree = compilation.run(level="bsr", seed=0), 0
    inputs = compilation.inputs(0)
    for seed in range(schedules):
        found = interpret_aie(compilation.module("aie"), inputs, seed=seed)
        agree += all(np.array_equal(found.outputs[name], values) for name, values in expected.outputs.items())
    return agree


def line(network: str, target: str, sparsity: float, schedules: int) -> tuple[str, bool]:
    """A line of the table, and whether everything in it is right."""
    models = {"depthwise": lambda: depthwise(32), "ragged mlp": ragged_mlp}
    source = models[network]() if network in models else network
    compilation = compile_model(source, target=target, sparsity=sparsity)
    module = compilation.module("aie")
    layers = sum(isinstance(op, LaunchOp) for op in compilation.module("mem").walk())
    instructions = compilation.manifest()["controller"]["instructions"]
    began = time.perf_counter()
    faults = len(check_array(module))
    seconds = time.perf_counter() - began
    agree, parsed = agreeing(compilation, schedules), parses(module)
    cells = [network, target, sparsity, instructions, f"{instructions / max(layers, 1):.0f}", faults, f"{seconds:.1f}"]
    right = faults == 0 and agree == schedules and parsed in ("parses", "not installed")
    return "| " + " | ".join(map(str, [*cells, f"{agree} of {schedules}", parsed])) + " |", right


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("networks", nargs="*", default=list(NETWORKS), help=f"of {', '.join(NETWORKS)}, or any zoo:…")
    parser.add_argument("--targets", nargs="*", default=list(TARGETS))
    parser.add_argument("--schedules", type=int, default=20)
    parser.add_argument("-o", type=Path, help="a file to which lines are added")
    arguments = parser.parse_args()
    known = arguments.o.read_text(encoding="utf-8").splitlines() if arguments.o and arguments.o.exists() else []
    print(f"{HEAD}\n|{'---|' * (HEAD.count('|') - 1)}")
    right = True
    for network, target in product(arguments.networks, arguments.targets):
        for sparsity in NETWORKS.get(network, (0.0, 0.5)):
            there = [text for text in known if text.startswith(f"| {network} | {target} | {sparsity} |")]
            text, fine = (there[0], True) if there else line(network, target, sparsity, arguments.schedules)
            right = right and fine
            print(text, flush=True)
            if arguments.o and fine and not there:
                with arguments.o.open("a", encoding="utf-8") as file:
                    file.write(f"{text}\n")
    return int(not right)


if __name__ == "__main__":
    sys.exit(main())
