"""
A network of the `bsr` level on this processor: compiled once, run as often as wanted, equal to the interpreter.

Maps of compiled operations lie as `compiler.native.layout` says, in memory that maps of one layout share when they do
not live together; so a border is written once. What is not compiled (host segments, and operations for which there is
no code) works on arrays, into which maps are unpacked, and from which they are packed, where the two kinds meet.
"""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from compiler.interpret.bsr import run_operation
from compiler.interpret.execution import Arrays, Execution, entry_of
from compiler.jit.machine import Library, this_processor
from compiler.jit.writer import module_text
from compiler.native.calls import Call
from compiler.native.dot_products import DotProducts, usable
from compiler.native.entries import aligned
from compiler.native.layout import NO_PADS, Bytes, Layout, Pads
from compiler.native.operations import border_of, calls_of, pixel_bytes_of, why_interpreted
from compiler.onnxio.host import HostModel
from dialects.bsr import BsrOp, HostOp, WeightsOp, shape_of, zero_point_of

Values = dict[SSAValue, npt.NDArray[Any]]
Step = Callable[[Values], None]


@dataclass(frozen=True)
class Interpreted:
    """An operation that is not compiled, and why."""

    operation: str
    tensor: str
    reason: str


class NativeNetwork:
    """The compiled network. `interpreted` says what of it is not."""

    def __init__(self, module: ModuleOp, dots: DotProducts | None = None):
        """Compile @main; `dots` is how to multiply, by default the fastest way that the processor has."""
        self.processor = this_processor()
        self.dots = usable(self.processor)[0] if dots is None else dots
        self._entry = entry_of(module)
        operations = [op for op in self._entry.function.body.block.ops if isinstance(op, BsrOp)]
        self._operations = [op for op in operations if not isinstance(op, WeightsOp)]
        reasons = {op: why_interpreted(op) for op in self._operations}
        self.interpreted = [
            Interpreted(op.name, op.tensor_name, reason) for op, reason in reasons.items() if reason is not None
        ]
        self._layouts = _layouts([op for op, reason in reasons.items() if reason is None])
        self._calls_of = {op: calls_of(op, self._layouts, self.dots) for op in self._operations if reasons[op] is None}
        codes = dict.fromkeys(call.code for call in self.calls)
        self._names = {code: f"code{number}" for number, code in enumerate(codes)}
        self._library = Library(module_text(code.write(name, self.dots) for code, name in self._names.items()))
        self._memories: dict[SSAValue, Bytes] = {}
        self._free: defaultdict[Layout, list[Bytes]] = defaultdict(list)
        self._steps = list(self._planned())

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls of machine code that one run makes, in order."""
        return tuple(call for calls in self._calls_of.values() for call in calls)

    @property
    def compiled(self) -> int:
        """How many operations are machine code."""
        return len(self._calls_of)

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Execution:
        """The outputs for these inputs; no tensors in between."""
        values: Values = dict(zip(self._entry.function.body.block.args, self._entry.bind(inputs), strict=True))
        for step in self._steps:
            step(values)
        outputs = [values[value] for value in self._entry.terminator.arguments]
        return Execution(dict(zip(self._entry.outputs, outputs, strict=True)), Arrays())

    def _planned(self) -> Iterator[Step]:
        """Every step in order; memory is given to a map where it is made, and taken back after its last use."""
        last = {operand: op for op in self._operations for operand in op.operands}
        for argument in self._entry.function.body.block.args:
            yield from self._packing(argument)
        for op in self._operations:
            if op in self._calls_of:
                for result in op.results:
                    self._memories[result] = self._memory(self._layouts[result])
                for call in self._calls_of[op]:
                    yield self._calling(call)
                for result in op.results:
                    yield from self._unpacking(result)
            else:
                yield _on_host(op) if isinstance(op, HostOp) else _interpreting(op)
                for result in op.results:
                    yield from self._packing(result)
            for value in {*op.operands, *op.results}:
                if last.get(value, op) is op and value in self._memories:
                    self._free[self._layouts[value]].append(self._memories[value])

    def _memory(self, layout: Layout) -> Bytes:
        free = self._free[layout]
        return free.pop() if free else aligned(layout.empty())

    def _calling(self, call: Call) -> Step:
        addresses = [self._memories[value].ctypes.data + offset for value, offset in call.places]
        addresses += [constant.ctypes.data for constant in call.constants]
        function = self._library.function(self._names[call.code], [ctypes.c_void_p] * len(addresses))

        def step(values: Values) -> None:
            function(*addresses)

        return step

    def _unpacking(self, value: SSAValue) -> Iterator[Step]:
        """An array of what was computed, if anything wants one."""
        if all(use.operation in self._calls_of for use in value.uses):
            return
        layout, memory, shape = self._layouts[value], self._memories[value], shape_of(value.type)

        def unpack(values: Values) -> None:
            values[value] = layout.unpack(memory).reshape(shape)

        yield unpack

    def _packing(self, value: SSAValue) -> Iterator[Step]:
        """A map of what is in an array, if compiled operations read it."""
        if value not in self._layouts:
            return
        layout = self._layouts[value]
        memory = self._memories[value] = self._memory(layout)
        yield lambda values: layout.pack(values[value], memory)


def _layouts(compiled: Sequence[BsrOp]) -> dict[SSAValue, Layout]:
    """A layout for every map that compiled operations touch, with a border for all that read it."""
    borders: dict[SSAValue, list[Pads]] = defaultdict(list)
    for op in compiled:
        for result in op.results:
            borders[result].append(NO_PADS)
        for number, operand in enumerate(op.operands):
            if not isinstance(operand.owner, WeightsOp):
                borders[operand].append(border_of(op, number))
    layouts: dict[SSAValue, Layout] = {}
    for value, wanted in borders.items():
        top, left, bottom, right = (max(sides) for sides in zip(*wanted, strict=True))
        plain = Layout.of_shape(shape_of(value.type), (top, left, bottom, right))
        layouts[value] = replace(plain, pixel_bytes=pixel_bytes_of(value), zero_point=zero_point_of(value.type))
    return layouts


def _interpreting(op: BsrOp) -> Step:
    def interpret(values: Values) -> None:
        values.update(zip(op.results, run_operation(op, values), strict=True))

    return interpret


def _on_host(op: HostOp) -> Step:
    """A host segment, whose session is opened once."""
    host = HostModel(op.model_bytes(), threads=1)

    def run(values: Values) -> None:
        operands = [values[operand] for operand in op.inputs]
        values.update(zip(op.outputs, host.run(dict(zip(host.inputs, operands, strict=True))), strict=True))

    return run
