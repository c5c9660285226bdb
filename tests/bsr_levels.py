"""
Holding the levels below `bsr` against it, for a network given as data: what the properties assert.

No ONNX and no host is involved, so a network costs some hundred milliseconds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bsr_modules import arrays_of, module_of
from bsr_networks import Network
from hypothesis import settings
from strategies_bsr import Place
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.utils.arg_spec import ArgSpec

from compiler.blobs import attach_weights, blobs_of, save_weights
from compiler.checking import execute
from compiler.comparison import compare
from compiler.interpret.aie import interpret_aie
from compiler.interpret.bsr import interpret_bsr
from compiler.interpret.execution import Execution
from compiler.jit.machine import has_jit
from compiler.pipelines import Pipeline, Stage, default_stages, step
from compiler.registry import full_context


class LevelsDifferError(AssertionError):
    """A level computed other numbers than `bsr`."""


def on_chip(stages: tuple[Stage, ...], place: Place) -> tuple[Stage, ...]:
    """The stages, those passes that take a target with the chip of a place."""
    chip = {"target": (place.target,), "overrides": place.overrides}
    return tuple(
        Stage(
            stage.level,
            tuple(ArgSpec(s.name, {**s.parameters, **chip}) if "target" in s.parameters else s for s in stage.passes),
        )
        for stage in stages
    )


def mapped(place: Place, *, verify: bool = False) -> tuple[Stage, ...]:
    """The stages below bsr for a chip."""
    planned = Stage("mem", (step("convert-bsr-to-mem", target=place.target, verify=verify),))
    return on_chip((planned, default_stages()[-1]), place)


def lowered(network: Network, place: Place, *, verify: bool = False) -> Iterator[tuple[str, ModuleOp]]:
    """The modules from legal bsr down, perhaps with a checked plan. Raises what the compiler refuses with."""
    legalise = tuple(spec for stage in default_stages() for spec in stage.passes if spec.name.startswith("bsr-"))
    stages = (*on_chip((Stage("bsr", legalise),), place), *mapped(place, verify=verify))
    yield from Pipeline(stages).run(module_of(network)).items()


def read_back(module: ModuleOp) -> ModuleOp:
    """The module that the printed text of another one means."""
    with tempfile.TemporaryDirectory() as directory:
        weights = Path(directory) / "weights.npz"
        save_weights(weights, [module])
        parsed = Parser(full_context(), str(module)).parse_module()
        parsed.verify()
        attach_weights(parsed, weights)
        for blob in blobs_of(parsed):
            blob.array()
    return parsed


def assert_levels_are_equal(
    network: Network, place: Place, seeds: tuple[int, ...], *, thorough: bool = False
) -> dict[str, ModuleOp]:
    """
    Each level on each seed; with `thorough`, a plan that its checker has seen, every kernel call by the function of the
    device, compiled, and for every fourth seed what the printed modules mean: xDSL's parser takes as long as all the
    rest. The quick profile takes one seed, and is never thorough.
    Returns the modules by level.
    """
    if settings.get_current_profile_name() == "quick":
        seeds, thorough = seeds[:1], False
    inputs = arrays_of(network)
    expected = interpret_bsr(module_of(network), inputs)
    modules = dict(lowered(network, place, verify=thorough))
    for level, module in modules.items():
        meant = read_back(module) if thorough and seeds[0] % 4 == 0 else module
        for seed in seeds if level == "aie" else seeds[:1]:
            found = execute(level, meant, inputs, seed)
            _assert_equal(level, found, expected, seed)
        if level == "aie" and thorough and has_jit():
            compiled = interpret_aie(meant, inputs, seed=seeds[0], compile_after=0)
            _assert_equal("aie, kernels compiled", compiled, expected, seeds[0])
    return modules


def _assert_equal(level: str, found: Execution, expected: Execution, seed: int) -> None:
    comparison = compare(level, found, expected, seed=seed, seconds=0.0)
    if not comparison.holds:
        raise LevelsDifferError(str(comparison))
