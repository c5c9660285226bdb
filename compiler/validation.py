"""
Translation validation: the module is executed before and after every pass, on inputs that are drawn from seeds.

A pass may lower, fuse, move and split what it likes; the outputs, and every tensor that has a name on both sides, stay
the same integers. Two passes change numbers because that is what they are for, and one result cannot be executed; what
comes after them is compared with what they gave.

At the `onnx` level values outside Quantize/Dequantize pairs are floats, and passes fold and merge their arithmetic. A
sum of n products in another order differs by some n units in the last place of its largest part, 2^-24 each: up to
FLOAT_SHARE of the largest value of a tensor is allowed there, which covers a thousand products. It is a hundredth of
one step of int8, so whatever would change a quantised value by more than a tie is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.utils.hints import isa

from compiler.checking import execute
from compiler.comparison import Comparison, compare
from compiler.errors import BlockloomError, InputError, MissingWeightsError
from compiler.inputs import NetworkInput, seeded_inputs
from compiler.interpret.execution import Execution, entry_of
from compiler.pipelines import PassStart
from compiler.quantization.arithmetic import Rounding
from dialects.constants import dtype_of

DECIDES_NUMBERS = {
    "onnx-prune-blocks": "it removes weights",
    "onnx-quantize": "it decides how float values become integers",
}
NOT_EXECUTABLE = {
    "aie-lower-tasks": "words for the controller have no interpreter",
    "aie-configure-devices": "a device that only loads others has no interpreter",
    "aie-keep-device": "without the network around the device there is nothing to run",
}
FLOAT_SHARE = 1e-4


class ValidationError(BlockloomError):
    """A pass changed what the module computes."""


@dataclass
class Validation:
    """A guard of pipelines: every pass is held against the module before it, on `draws` inputs from `seed` on."""

    draws: int = 2
    seed: int = 0
    tell: Callable[[str], None] = field(default=lambda line: None)
    """Called with a line about each pass."""
    _known: tuple[Rounding, Sequence[Execution]] | None = field(default=None, init=False)
    """What the module as it stands computed, with ties at the `onnx` level rounded in this way."""

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise InputError(f"validation draws one input or more; {self.draws} was given")

    @contextmanager
    def __call__(self, start: PassStart) -> Generator[None]:
        """Execute the module before the block and after it, and compare. Raises ValidationError."""
        why_not = DECIDES_NUMBERS.get(start.name) or NOT_EXECUTABLE.get(start.name)
        if why_not is not None:
            yield
            self._known = None
            self.tell(f"{start.name}: not compared, {why_not}")
            return
        rounding = _rounding(start)
        known = self._known
        before = known[1] if known is not None and known[0] == rounding else self._run(start.module, rounding)
        above = level_of(start.module)
        yield
        try:
            after = self._run(start.module, rounding)
        except (InputError, MissingWeightsError):
            raise
        except BlockloomError as error:
            raise ValidationError(f"after {start.name} the module does not run to its end: {error}") from error
        found = [
            _compared(start.name, above, one, other, self.seed + draw)
            for draw, (one, other) in enumerate(zip(before, after, strict=True))
        ]
        self._known = (rounding, after)
        self.tell(
            f"{start.name}: {found[0].outputs} outputs and {found[0].tensors} tensors equal, "
            f"{sum(comparison.values for comparison in found)} values"
        )

    def _run(self, module: ModuleOp, rounding: Rounding) -> Sequence[Execution]:
        level, inputs = level_of(module), _inputs_of(module)
        seeds = range(self.seed, self.seed + self.draws)
        return [execute(level, module, seeded_inputs(inputs, seed), seed, rounding) for seed in seeds]


def level_of(module: ModuleOp) -> str:
    """The lowest level that has an operation in the module: that of the interpreter which runs it."""
    dialects = {op.name.partition(".")[0] for op in module.walk()}
    return next((level for level in ("aie", "mem", "bsr") if level in dialects), "onnx")


def _rounding(start: PassStart) -> Rounding:
    """The pass that decides how the array rounds ties is held against a reference that rounds them so."""
    given = start.spec.parameters.get("rounding", ())
    return "half_up" if start.name == "convert-onnx-to-bsr" and given == ("half_up",) else "half_even"


def _inputs_of(module: ModuleOp) -> tuple[NetworkInput, ...]:
    entry = entry_of(module)
    found: list[NetworkInput] = []
    for name, argument in zip(entry.inputs, entry.function.body.block.args, strict=True):
        dtype = dtype_of(argument.type.get_element_type()) if isa(argument.type, TensorType) else None
        if dtype is None:
            raise InputError(f"input '{name}' of the module is {argument.type}; inputs that can be drawn are tensors")
        assert isa(argument.type, TensorType)
        found.append(NetworkInput(name, argument.type.get_shape(), dtype))
    return tuple(found)


def _compared(name: str, level: str, before: Execution, after: Execution, seed: int) -> Comparison:
    """The comparison, if it holds."""
    if list(before.outputs) != list(after.outputs):
        raise ValidationError(
            f"{name} changed the outputs of the network: they were {', '.join(before.outputs)}, "
            f"and are now {', '.join(after.outputs)}"
        )
    for tensor, wanted, found in (*_common(before.tensors, after.tensors), *_common(before.outputs, after.outputs)):
        if wanted.dtype != found.dtype or wanted.size != found.size:
            raise ValidationError(
                f"{name} changed '{tensor}', which was {wanted.dtype}{list(wanted.shape)}, "
                f"to {found.dtype}{list(found.shape)}"
            )
    if level == "onnx":
        outputs = {output: _near(after.outputs[output], wanted) for output, wanted in before.outputs.items()}
        after = Execution(outputs, after.tensors)
    comparison = compare(level, after, before, seed=seed, seconds=0.0)
    if comparison.first is not None:
        raise ValidationError(f"{name} changed the numbers: {comparison.first}, on inputs drawn from seed {seed}")
    return comparison


def _common(
    before: Mapping[str, npt.NDArray[Any]], after: Mapping[str, npt.NDArray[Any]]
) -> Iterator[tuple[str, npt.NDArray[Any], npt.NDArray[Any]]]:
    yield from ((name, values, after[name]) for name, values in before.items() if name in after)


def _near(found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`found` with the wanted value wherever it is as near as sums of floats in another order can be expected to be."""
    if not np.issubdtype(wanted.dtype, np.floating):
        return found
    found = found.reshape(wanted.shape)
    largest = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0)
    return np.where(np.abs(found - wanted) <= FLOAT_SHARE * largest, wanted, found)
