"""
`blockloom COMMAND`: each a few lines around `compiler.api`, or in a file of its own beside this one.

Results go to standard output, everything else to standard error. With `--json` standard output is one object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.api import Compilation, compile_model
from compiler.artifact import is_artifact, require_replaceable
from compiler.blobs import write_arrays
from compiler.cli.allocate import run_allocate
from compiler.cli.arguments import build_parser, guards_of, parse_files, parse_shapes
from compiler.cli.boundary import run_tool
from compiler.cli.explore import run_explore
from compiler.cli.observer import Observer
from compiler.cli.on_host import run_on_host
from compiler.cli.progress import progress
from compiler.cli.segment_table import print_estimate, print_simulation
from compiler.cli.tables import described_outputs, print_outputs, print_placements, print_rules
from compiler.comparison import Comparison
from compiler.errors import InputError
from compiler.hardware.chip import parse_overrides
from compiler.summaries import refuse_host

if TYPE_CHECKING:
    from compiler.simulate.result import Simulation

FOUND_DIFFERENCES = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns the exit code."""
    options = build_parser().parse_args(arguments)
    command = {
        "compile": _compile,
        "run": _run,
        "check": _check,
        "simulate": _simulate,
        "estimate": _estimate,
        "report": _report,
        "allocate": run_allocate,
        "explore": run_explore,
        "ops": _ops,
    }[options.command]
    return run_tool("blockloom", lambda: command(options))


def _compile(options: argparse.Namespace) -> int:
    require_replaceable(options.output)
    compilation = _compiled(options)
    directory = compilation.save(options.output)
    if options.json:
        _print_json(compilation.as_json())
        return 0
    for level in compilation.levels:
        print(f"{directory / level}.mlir  {sum(1 for _ in compilation.modules[level].walk())} operations")
    _say_host(compilation)
    _say_lowered(compilation)
    return 0


def _run(options: argparse.Namespace) -> int:
    if options.on == "host":
        return run_on_host(options, _compiled)
    level = options.level or "aie"
    compilation = _compiled(options)
    outcome = compilation.run(parse_files(options.input), level=level, seed=options.seed)
    if options.output is not None:
        write_arrays(options.output, outcome.outputs.items())
    if options.json:
        _print_json(
            {**compilation.as_json(), "level": level, "how": outcome.how, "outputs": described_outputs(outcome.outputs)}
        )
        return 0
    print_outputs(outcome.outputs)
    if outcome.how:
        print(outcome.how)
    return 0


def _check(options: argparse.Namespace) -> int:
    compilation = _compiled(options)
    comparisons: list[Comparison] = []
    checking = compilation.check(until=options.level, seed=options.seed)
    while True:
        with progress(f"check, comparison {len(comparisons) + 1}", quiet=options.json):
            comparison = next(checking, None)
        if comparison is None:
            break
        comparisons.append(comparison)
        if not options.json:
            print(comparison, flush=True)
    if options.json:
        _print_json({**compilation.as_json(), "levels": [comparison.as_json() for comparison in comparisons]})
    else:
        _say_host(compilation)
    return 0 if all(comparison.holds for comparison in comparisons) else FOUND_DIFFERENCES


def _simulate(options: argparse.Namespace) -> int:
    overrides = parse_overrides(options.set)
    compilation = _compiled(options)
    with progress("simulate", quiet=options.json) as tell:
        simulation = compilation.simulate(overrides=overrides, timeline=options.trace is not None, progress=tell)
    if options.trace is not None:
        _write_trace(options.trace, simulation)
    if options.json:
        _print_json({**compilation.as_json(), **simulation.as_json()})
        return 0
    print_simulation(compilation, simulation)
    return 0


def _estimate(options: argparse.Namespace) -> int:
    overrides = parse_overrides(options.set)
    compilation = _compiled(options)
    estimate = compilation.estimate(overrides=overrides)
    if options.json:
        _print_json({**compilation.as_json(), **estimate.as_json()})
        return 0
    print_estimate(compilation, estimate)
    return 0


def _report(options: argparse.Namespace) -> int:
    from compiler.report import print_summary, require_page_name, trace_path

    require_page_name(options.output)
    compilation = _compiled(options)
    against = None if options.against is None else _against(options, compilation)
    with progress("simulate and draw", quiet=options.json):
        measured = compilation.report(options.output, against=against)
    if options.json:
        _print_json({**compilation.as_json(), **measured.simulation.as_json()})
        return 0
    print_summary(measured, (options.output, trace_path(options.output)))
    return 0


def _ops(options: argparse.Namespace) -> int:
    from compiler.placement import placements, rules_of_operators

    if options.supported == (options.model is not None):
        raise InputError("ops takes a MODEL, or --supported for what the array computes at all")
    if options.supported:
        rules = dict(rules_of_operators())
        if options.json:
            _print_json({"operators": rules})
        else:
            print_rules(rules)
        return 0
    nodes = placements(options.model, parse_shapes(options.shape), batch=options.batch, target=options.target)
    if options.json:
        _print_json({"model": options.model, "nodes": [asdict(node) for node in nodes]})
    else:
        print_placements(nodes)
    return 0


def _against(options: argparse.Namespace, compilation: Compilation) -> Compilation:
    """What to compare with: a compiled directory, or the same request at another sparsity."""
    path = Path(options.against)
    if path.is_dir():
        return Compilation.load(path)
    try:
        sparsity = float(options.against)
    except ValueError:
        raise InputError(f"--against is a compiled directory or a sparsity; '{options.against}' is neither") from None
    request = compilation.request
    observer = Observer(quiet=options.json)
    try:
        return compile_model(
            request.model,
            target=request.target,
            sparsity=sparsity,
            quantize=request.calibration,
            calibration_method=request.method,
            rounding=request.rounding,
            seed=request.seed,
            shapes=parse_shapes(options.shape),
            batch=options.batch,
            before_pass=observer.before_pass,
            after_pass=observer.after_pass,
        )
    finally:
        observer.finish()


def _write_trace(path: Path, simulation: Simulation) -> None:
    from compiler.simulate.trace import chrome_trace

    with path.open("w") as file:
        json.dump(chrome_trace(simulation), file, separators=(",", ":"))
    print(f"{path}: open it at ui.perfetto.dev", file=sys.stderr)


def _compiled(options: argparse.Namespace) -> Compilation:
    """The network of the command line: compiled now, or read from a directory that was compiled before."""
    path = Path(options.model)
    if options.command != "compile" and path.is_dir():
        return _loaded(path, options)
    observer = Observer(options.print_ir_after, options.time_passes, quiet=options.json)
    try:
        return compile_model(
            options.model,
            target=options.target or "npu1",
            sparsity=options.sparsity or 0.0,
            until=options.level or "aie",
            quantize=options.quantize,
            calibration_method=options.calibration_method or "nonoverflow",
            rounding=options.rounding or "half_even",
            seed=options.seed or 0,
            shapes=parse_shapes(options.shape),
            batch=options.batch,
            strict=options.strict,
            before_pass=observer.before_pass,
            after_pass=observer.after_pass,
            guards=guards_of(options, options.seed or 0) if options.command == "compile" else (),
        )
    finally:
        observer.finish()


def _loaded(path: Path, options: argparse.Namespace) -> Compilation:
    """A directory is compiled already, so options that would compile it differently are refused, not ignored."""
    if not is_artifact(path):
        raise InputError(f"'{path}' is a directory, but not one that `blockloom compile` wrote")
    fixed = {
        "--target": options.target,
        "--sparsity": options.sparsity,
        "--quantize": options.quantize,
        "--calibration-method": options.calibration_method,
        "--rounding": options.rounding,
        "--shape": options.shape or None,
        "--batch": options.batch,
        "--print-ir-after": options.print_ir_after,
        "--time-passes": options.time_passes or None,
    }
    given = [name for name, value in fixed.items() if value is not None]
    if given:
        raise InputError(f"'{path}' is compiled already, so {', '.join(given)} cannot apply; give the model instead")
    compilation = Compilation.load(path)
    if options.strict:
        refuse_host(compilation.module("bsr"))
    return compilation


def _say_lowered(compilation: Compilation) -> None:
    """Tell, on standard error, which positions are coarser than the values of their tensors suggest."""
    lowered = [tensor for tensor in compilation.quantised if tensor.lowered is not None]
    if lowered:
        first = lowered[0]
        print(
            f"{len(lowered)} of {len(compilation.quantised)} positions are coarser than their values suggest, to fit "
            f"shifts and accumulators; manifest.json lists them, the first is '{first.name}': {first.lowered}",
            file=sys.stderr,
        )


def _say_host(compilation: Compilation) -> None:
    for segment in compilation.host:
        print(f"on the host: {segment.node} ({segment.op}): {segment.reason}")


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
