"""
Executing levels and holding them against each other: the definition of a correct compilation.

    bsr, mem, aie   =   integer reference   =   ONNX Runtime

The reference executes the quantised graph in plain integer arithmetic; the levels are executed by their interpreters;
ONNX Runtime executes the same quantised graph exported as QDQ. With general scales its float32 may round a value to
the other side of a tie, and with half_up the array rounds ties in another way: each operator is then compared alone,
and may be one step away. `mem` and `aie` draw from the seed what hardware leaves open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp

from compiler.comparison import Comparison, compare, stopped
from compiler.debug import TRACEBACKS, debug_level
from compiler.errors import BlockloomError, InputError, MissingWeightsError
from compiler.interpret.execution import Execution
from compiler.interpret.onnxruntime_check import has_general_scales, run_onnxruntime, run_operators_alone
from compiler.interpret.reference import run_reference
from compiler.quantization.arithmetic import Rounding

Inputs = Mapping[str, npt.NDArray[Any]]


def execute(level: str, module: ModuleOp, inputs: Inputs, seed: int, rounding: Rounding = "half_even") -> Execution:
    """Run the module of a level; at `onnx` that is the integer reference. Imports only that level's interpreter."""
    match level:
        case "onnx":
            return run_reference(module, inputs, rounding=rounding)
        case "bsr":
            from compiler.interpret.bsr import interpret_bsr

            return interpret_bsr(module, inputs)
        case "mem":
            from compiler.interpret.mem import interpret_mem

            return interpret_mem(module, inputs, seed=seed)
        case _:
            assert level == "aie", f"there is no level '{level}'"
            from compiler.interpret.aie import interpret_aie

            return interpret_aie(module, inputs, seed=seed)


def check_levels(
    modules: Mapping[str, ModuleOp], inputs: Inputs, seed: int, rounding: Rounding = "half_even"
) -> Iterator[Comparison]:
    """Each level against the reference, then the reference against ONNX Runtime; yielded as soon as it is known."""
    reference = run_reference(modules["onnx"], inputs, rounding=rounding)

    def against(level: str, run: Callable[[], Execution], allowed: int = 0) -> Comparison:
        start = time.perf_counter()
        try:
            found = run()
        except (InputError, MissingWeightsError):
            raise
        except BlockloomError as error:
            # A race or a deadlock that an interpreter reports is a finding about this level; the others go on.
            if debug_level() >= TRACEBACKS:
                raise
            return stopped(level, str(error), seed=seed, seconds=time.perf_counter() - start)
        return compare(level, found, reference, seed=seed, seconds=time.perf_counter() - start, allowed=allowed)

    for level, module in modules.items():
        if level != "onnx":
            yield against(level, partial(execute, level, module, inputs, seed))
    if has_general_scales(modules["onnx"]) or rounding != "half_even":
        alone = partial(run_operators_alone, modules["onnx"], inputs, reference.tensors)
        yield against("ONNX Runtime", alone, allowed=1)
    else:
        yield against("ONNX Runtime", partial(run_onnxruntime, modules["onnx"], inputs))
