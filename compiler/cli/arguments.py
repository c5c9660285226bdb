"""The command line of `blockloom`, as data: subcommands, options and the texts of `--help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from compiler.cli.allocate import add_allocate
from compiler.cli.explore import add_explore
from compiler.errors import InputError
from compiler.pipelines import LEVELS, Guard

DESCRIPTION = """\
Compile ONNX networks with 8x8 block-sparse int8 weights to AMD AI Engine arrays,
and prove on this machine, without a device, that every level computes the same numbers.

A MODEL is the path of an .onnx file or zoo:NAME[@SIZE], a network that needs no download:
  zoo:squeezenet  zoo:resnet50  zoo:vgg16  zoo:inception_v3  zoo:densenet121 ...
  zoo:resnet50@64 is the same network on 64x64 images.
"""

EPILOG = """\
a first tour:
  blockloom check zoo:squeezenet@64                     the same numbers at every level
  blockloom compile zoo:resnet50 --sparsity 0.5 -o out  read out/bsr.mlir, out/mem.mlir, out/aie.mlir
  blockloom simulate out                                cycles of every layer
  blockloom estimate zoo:resnet50 --sparsity 0.5        the same table in a second, from the plan
  blockloom-opt --help                                  one pass at a time

A mistake in the input is one message and exit code 2; BLOCKLOOM_DEBUG=1 shows the traceback behind it.
"""

TARGETS = "npu1 (4x4 cores), npu1_1col ... npu1_3col, npu2, or mesh-RxC with 1 to 8 rows and columns"


def build_parser() -> argparse.ArgumentParser:
    """The parser of `blockloom`."""
    parser = argparse.ArgumentParser(
        prog="blockloom",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"blockloom {version('blockloom')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    compile_ = commands.add_parser("compile", help="write the network at every level into a directory")
    _add_model(compile_, directory=False)
    _add_compilation(compile_, "--until", "the last level to produce")
    compile_.add_argument(
        "-o", "--output", type=Path, default=Path("out"), metavar="DIR", help="the directory to write (default: out)"
    )
    add_guards(compile_)

    run = commands.add_parser("run", help="execute the network at one level and print or save its outputs")
    _add_model(run, directory=True)
    _add_compilation(run, "--level", "the level to execute")
    run.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=FILE.npy",
        help="the value of an input (repeat for several); inputs without one are drawn from the seed",
    )
    run.add_argument("-o", "--output", type=Path, metavar="FILE.npz", help="save the outputs by name")
    run.add_argument(
        "--on",
        choices=("interpreter", "host"),
        default="interpreter",
        help="host: compile the bsr level, without its zero blocks, for the processor of this machine and run that: "
        "the interpreter's numbers in milliseconds; needs the extra blockloom[jit] (default: interpreter)",
    )

    check = commands.add_parser(
        "check",
        help="compare bsr, mem and aie with the integer reference, and that with ONNX Runtime",
        description="Execute every level on the same inputs and compare bit for bit. Exit code 1 if anything differs.",
    )
    _add_model(check, directory=True)
    _add_compilation(check, "--until", "the last level to compare")

    simulate = commands.add_parser("simulate", help="count the cycles of every segment in an event simulation")
    _add_model(simulate, directory=True)
    _add_compilation(simulate)
    _add_timing(simulate)
    simulate.add_argument(
        "--trace", type=Path, metavar="FILE.json", help="write what everything did when, for ui.perfetto.dev"
    )

    estimate = commands.add_parser(
        "estimate",
        help="work out the cycles of every segment from the plan: the same table as simulate, at once",
        description="Cycles from the mem level, by a recurrence instead of a simulation. Array code is not generated.",
    )
    _add_model(estimate, directory=True)
    _add_compilation(estimate, fixed_level="mem")
    _add_timing(estimate)

    report = commands.add_parser(
        "report",
        help="write a page on where the cycles go, and a trace beside it",
        description="Simulate the network and write one HTML page with pictures and tables, which needs no network "
        "and prints well, and a trace for ui.perfetto.dev beside it. With --json, the answer of simulate.",
    )
    _add_model(report, directory=True)
    report.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), metavar="FILE.html", help="default: report.html"
    )
    report.add_argument(
        "--against",
        metavar="DIR|R",
        help="compare with a compiled directory, or with the model compiled a second time at sparsity R",
    )
    _add_compilation(report)

    ops = commands.add_parser(
        "ops",
        help="say of every node where it will run and why, or what the array computes at all",
        description="Read only the graph, without weights or calibration, and say where each node will run.",
    )
    ops.add_argument("model", metavar="MODEL", nargs="?", help="an .onnx file or zoo:NAME[@SIZE]")
    ops.add_argument("--supported", action="store_true", help="print every operator of the array with its rules")
    ops.add_argument("--target", metavar="NAME", default="npu1", help=f"the array: {TARGETS} (default: npu1)")
    _add_shape(ops)
    ops.add_argument("--json", action="store_true", help="print one JSON object on standard output, nothing else")

    add_allocate(commands)
    add_explore(commands)
    return parser


def add_guards(parser: argparse.ArgumentParser) -> None:
    """What looks at every pass: options of `blockloom compile` and of `blockloom-opt`."""
    parser.add_argument(
        "--validate",
        type=int,
        nargs="?",
        const=2,
        metavar="DRAWS",
        help="execute the module before and after every pass, on so many drawn inputs (default: 2), and compare",
    )
    parser.add_argument(
        "--crash-reproducer",
        type=Path,
        metavar="FILE.mlir",
        help="if a pass fails, write it and the module before it to this file, for blockloom-opt --run-reproducer",
    )


def guards_of(options: argparse.Namespace, seed: int) -> tuple[Guard, ...]:
    """The guards that were asked for; what validation finds is a failure of the pass, which can be reproduced."""
    guards: list[Guard] = []
    if options.crash_reproducer is not None:
        from compiler.reproducer import crash_reproducer

        guards.append(crash_reproducer(options.crash_reproducer))
    if options.validate is not None:
        from compiler.validation import Validation

        guards.append(Validation(options.validate, seed, lambda line: print(f"validate {line}", file=sys.stderr)))
    return tuple(guards)


def _add_model(parser: argparse.ArgumentParser, *, directory: bool) -> None:
    also = ", or a directory written by `blockloom compile`" if directory else ""
    parser.add_argument("model", metavar="MODEL", help=f"an .onnx file or zoo:NAME[@SIZE]{also}")


def _add_shape(parser: argparse._ActionsContainer) -> None:  # pyright: ignore[reportPrivateUsage]
    parser.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="NAME=1,3,224,224",
        help="the shape of an input whose shape the model leaves open (repeat for several)",
    )
    parser.add_argument(
        "--batch", type=int, metavar="N", help="the first size of every input that leaves it open (the array runs 1)"
    )


def _add_timing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="replace a number of the chip that only time depends on, like descriptor_cycles=16 (repeat for several)",
    )


def _add_compilation(
    parser: argparse.ArgumentParser,
    level_option: str | None = None,
    meaning: str = "",
    *,
    fixed_level: str = LEVELS[-1],
) -> None:
    options = parser.add_argument_group("compilation")
    options.add_argument("--target", metavar="NAME", help=f"the array: {TARGETS} (default: npu1)")
    options.add_argument(
        "--sparsity",
        type=float,
        metavar="R",
        help="prune this fraction of the 8x8 weight blocks, least important first (default: 0, change nothing)",
    )
    options.add_argument(
        "--quantize",
        type=Path,
        metavar="CALIB",
        help="inputs to calibrate a float model on: .npy, .npz or a folder of them (default: drawn from the seed)",
    )
    options.add_argument(
        "--calibration-method",
        metavar="METHOD",
        help="how the positions of a float model follow from the samples: nonoverflow (default; nothing saturates), "
        "min_mse (least squared error) or percentile (one value in 10000 may saturate)",
    )
    options.add_argument(
        "--rounding",
        metavar="WAY",
        help="how the array rounds ties: half_even (default; as ONNX does) or half_up (as the DPU does)",
    )
    _add_shape(options)
    options.add_argument(
        "--strict",
        action="store_true",
        help="refuse a network of which anything but the quantisation at its boundary would run on the host",
    )
    options.add_argument("--seed", type=int, help="seed of everything that is drawn (default: 0)")
    if level_option is None:
        parser.set_defaults(level=fixed_level)
    else:
        meaning = f"{meaning}: {', '.join(LEVELS)} (default: aie)"
        options.add_argument(level_option, dest="level", metavar="LEVEL", help=meaning)
    shown = parser.add_argument_group("what is shown")
    shown.add_argument("--json", action="store_true", help="print one JSON object on standard output, nothing else")
    shown.add_argument(
        "--print-ir-after", metavar="PASS", help="print the module after this pass, or after `all`, on standard error"
    )
    shown.add_argument("--time-passes", action="store_true", help="print the seconds of each pass on standard error")


def parse_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """`["x=1,3,224,224"]` as `{"x": (1, 3, 224, 224)}`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, separator, sizes = text.rpartition("=")
        parts = [part.strip() for part in sizes.split(",")]
        if not separator or not all(part.isdecimal() and int(part) > 0 for part in parts):
            raise InputError(f"--shape is NAME=1,3,224,224 with positive whole numbers; '{text}' was given")
        shapes[name] = tuple(int(part) for part in parts)
    return shapes


def parse_files(texts: Sequence[str]) -> dict[str, Path]:
    """`["x=image.npy"]` as `{"x": Path("image.npy")}`."""
    files: dict[str, Path] = {}
    for text in texts:
        name, separator, path = text.partition("=")
        if not separator or not path.endswith(".npy"):
            raise InputError(f"--input is NAME=FILE.npy; '{text}' was given")
        files[name] = Path(path)
    return files
