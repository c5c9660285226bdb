"""
The pipeline: one list of passes from the ONNX graph to the array, with the levels as milestones.

    onnx  ->  bsr  ->  mem  ->  aie

Each level is a stage: the passes that end in a module of that level. The module is verified there and a copy is kept,
so that every level of a compilation can be printed, run and compared. This list is what `blockloom-opt -p` does pass by
pass: `Pipeline.default(...).spec()` prints it in the syntax of `-p`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import ArgSpec, ParameterListType, ParameterType
from xdsl.utils.exceptions import VerifyException

from compiler.bulk import few_garbage_collections
from compiler.errors import InputError
from compiler.quantization.arithmetic import ROUNDINGS, Rounding
from compiler.quantization.positions import METHODS, Method
from compiler.registry import available_passes, full_context
from compiler.suggestions import unknown

LEVELS = ("onnx", "bsr", "mem", "aie")


@dataclass(frozen=True)
class Stage:
    """The passes whose result is a module of `level`."""

    level: str
    passes: tuple[ArgSpec, ...]


@dataclass(frozen=True)
class PassRun:
    """One pass that has just run: the module after it and the seconds it took."""

    name: str
    level: str
    seconds: float
    module: ModuleOp


@dataclass(frozen=True)
class PassStart:
    """One pass, with its options, that is about to run on `module`."""

    spec: ArgSpec
    module: ModuleOp

    @property
    def name(self) -> str:
        """The name of the pass."""
        return self.spec.name


Guard: TypeAlias = Callable[[PassStart], AbstractContextManager[None]]
"""What a pass and the verification after it run in: it sees the module before and after, and how the pass fails."""


@contextmanager
def guarded(guards: Sequence[Guard], start: PassStart) -> Generator[None]:
    """Within all guards, the first one outermost."""
    with ExitStack() as stack:
        for guard in guards:
            stack.enter_context(guard(start))
        yield


def step(name: str, **options: ParameterType | None) -> ArgSpec:
    """A pass with the options that are not None: `step("onnx-prune-blocks", ratio=0.5)`."""
    parameters: dict[str, ParameterListType] = {key: (value,) for key, value in options.items() if value is not None}
    return ArgSpec(name, parameters)


def default_stages(
    *,
    target: str = "npu1",
    sparsity: float = 0.0,
    calibration: str | None = None,
    seed: int = 0,
    nominal: bool = False,
    method: Method = "nonoverflow",
    rounding: Rounding = "half_even",
) -> tuple[Stage, ...]:
    """
    All of Blockloom in order.

    Without `sparsity` nothing is pruned; `calibration` names inputs for quantisation, and `nominal` does without any.
    `method` chooses the positions of a float model, `rounding` is how the array rounds ties.
    """
    prune = (step("onnx-prune-blocks", ratio=float(sparsity)),) if sparsity else ()
    return (
        Stage(
            "onnx",
            (
                step("onnx-remove-identities"),
                step("onnx-unify-operators"),
                step("onnx-fold-constants"),
                step("onnx-unfuse-quantised"),
                step("onnx-rebase-uint8"),
                step("onnx-fold-batch-norm"),
                *prune,
                step("onnx-quantize", calibration=calibration, seed=seed, nominal=nominal or None, method=method),
            ),
        ),
        Stage(
            "bsr",
            (
                step("convert-onnx-to-bsr", rounding=rounding),
                step("bsr-fuse-transposes"),
                step("bsr-fuse-requantise"),
                step("bsr-fuse-clamp"),
                step("bsr-fuse-add"),
                step("bsr-pad-by-conv"),
                step("bsr-split-ragged-heads"),
                step("bsr-split-ragged-concat"),
                step("bsr-mean-by-conv"),
                step("bsr-scaled-on-host"),
                step("bsr-reshape-on-host"),
                step("bsr-unfit-on-host", target=target),
            ),
        ),
        Stage(
            "mem",
            (step("bsr-fold-pixels"), step("bsr-permute-channels"), step("convert-bsr-to-mem", target=target)),
        ),
        Stage("aie", (step("convert-mem-to-aie"), step("aie-check"))),
    )


LIMITS_OF_THE_ARRAY = (
    "bsr-split-ragged-heads",
    "bsr-mean-by-conv",
    "bsr-scaled-on-host",
    "bsr-reshape-on-host",
    "bsr-unfit-on-host",
)
"""Passes that write in another way, or move to the host, what only the array cannot compute."""


def processor_stages(rounding: Rounding) -> tuple[Stage, ...]:
    """From the quantised graph to what a processor is to compute: the bsr level with all that it can express."""
    stage = next(stage for stage in default_stages(rounding=rounding) if stage.level == "bsr")
    return (Stage(stage.level, tuple(spec for spec in stage.passes if spec.name not in LIMITS_OF_THE_ARRAY)),)


@dataclass(frozen=True)
class Pipeline:
    """Stages to run in order. Immutable: make another one with other stages to change anything."""

    stages: tuple[Stage, ...]
    before_pass: Callable[[str, str], None] | None = field(default=None, compare=False)
    """Called with level and pass name before each pass, for progress."""
    after_pass: Callable[[PassRun], None] | None = field(default=None, compare=False)
    """Called after each pass: the one hook for printing the IR and for timing."""
    guards: tuple[Guard, ...] = field(default=(), compare=False)
    """Each pass runs within these; with any of them, its result is verified at once."""

    @staticmethod
    def default(
        *,
        target: str = "npu1",
        sparsity: float = 0.0,
        until: str = "aie",
        calibration: str | None = None,
        seed: int = 0,
        nominal: bool = False,
        method: Method = "nonoverflow",
        rounding: Rounding = "half_even",
        before_pass: Callable[[str, str], None] | None = None,
        after_pass: Callable[[PassRun], None] | None = None,
        guards: tuple[Guard, ...] = (),
    ) -> Pipeline:
        """The stages of `default_stages` up to and including level `until`."""
        if until not in LEVELS:
            raise InputError(unknown("level", until, LEVELS))
        if not 0.0 <= sparsity < 1.0:
            raise InputError(f"sparsity is the fraction of blocks to remove, 0 <= R < 1; {sparsity} was given")
        if method not in METHODS:
            raise InputError(unknown("calibration method", method, METHODS))
        if rounding not in ROUNDINGS:
            raise InputError(unknown("rounding", rounding, ROUNDINGS))
        stages = default_stages(
            target=target,
            sparsity=sparsity,
            calibration=calibration,
            seed=seed,
            nominal=nominal,
            method=method,
            rounding=rounding,
        )
        return Pipeline(stages[: LEVELS.index(until) + 1], before_pass, after_pass, guards)

    @property
    def pass_names(self) -> tuple[str, ...]:
        """All passes in order."""
        return tuple(spec.name for stage in self.stages for spec in stage.passes)

    def spec(self) -> str:
        """The whole list as `blockloom-opt -p` takes it."""
        return ",".join(str(spec) for stage in self.stages for spec in stage.passes)

    def run(self, module: ModuleOp) -> Mapping[str, ModuleOp]:
        """Rewrite `module` (it becomes the last level) and return the module of every level reached."""
        prepared = [(stage, [(spec, _instantiate(spec)) for spec in stage.passes]) for stage in self.stages]
        context = full_context()
        modules: dict[str, ModuleOp] = {}
        with few_garbage_collections():
            for index, (stage, passes) in enumerate(prepared):
                for spec, module_pass in passes:
                    if self.before_pass is not None:
                        self.before_pass(stage.level, module_pass.name)
                    start = time.perf_counter()
                    with guarded(self.guards, PassStart(spec, module)):
                        module_pass.apply(context, module)
                        if self.guards:
                            _verify(module, f"the module is wrong after {spec.name}")
                    seconds = time.perf_counter() - start
                    if self.after_pass is not None:
                        self.after_pass(PassRun(module_pass.name, stage.level, seconds, module))
                _verify(module, f"the module of level '{stage.level}' is wrong after its last pass")
                last = index == len(prepared) - 1
                modules[stage.level] = module if last else module.clone()
        return modules


def _instantiate(spec: ArgSpec) -> ModulePass:
    """Every pass is made before the first one runs, so that a wrong option costs no time."""
    factories = available_passes()
    if spec.name not in factories:
        raise InputError(unknown("pass", spec.name, tuple(factories)))
    return factories[spec.name]().from_spec(spec)


def _verify(module: ModuleOp, fault: str) -> None:
    try:
        module.verify()
    except VerifyException as error:
        error.add_note(fault)
        raise
