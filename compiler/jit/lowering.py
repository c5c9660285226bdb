"""
What lowering a kernel body to LLVM needs everywhere: types, known values, and checks that end the function.

An index has 32 bits, as on the core, and integers wrap. Where a core would do something undefined the function ends
with 1, and the memory at `fault` says in four int64 what it was (`Fault`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import cast

from xdsl.dialects.builtin import IntegerType, MemRefType, VectorType
from xdsl.ir import Attribute, Operation, SSAValue

from compiler.jit.writer import Typed, Writer, Written

FAULT_WORDS = 4
"""int64 of a description: its kind and three numbers."""


class Fault(IntEnum):
    """The first number of a description, and what the others are."""

    OUTSIDE = 1
    """First word, words, words of the memory."""
    SHIFT = 2
    """Bits of the value, the amount."""


def llvm_type(kind: Attribute) -> str:
    """A scalar, a vector or a memory."""
    if isinstance(kind, VectorType):
        lanes = cast("VectorType[Attribute]", kind)
        return f"<{lanes.get_shape()[0]} x {llvm_type(lanes.element_type)}>"
    if isinstance(kind, MemRefType):
        return "ptr"
    return f"i{element_bits(kind)}"


def element_bits(kind: Attribute) -> int:
    """Bits of a scalar or of a vector's element."""
    if isinstance(kind, VectorType):
        kind = cast("VectorType[Attribute]", kind).element_type
    return cast("IntegerType", kind).width.data if isinstance(kind, IntegerType) else 32


def lanes_of(kind: Attribute) -> int:
    """Of a vector; a scalar has one."""
    return cast("VectorType[Attribute]", kind).get_shape()[0] if isinstance(kind, VectorType) else 1


def is_vector(kind: Attribute) -> bool:
    """Whether it has lanes."""
    return isinstance(kind, VectorType)


def suffix(kind: Attribute) -> str:
    """What the names of intrinsics for a type end in."""
    lanes = f"v{lanes_of(kind)}" if is_vector(kind) else ""
    return f"{lanes}i{element_bits(kind)}"


@dataclass
class Lowering:
    """A function being written, and the LLVM value of every value that is known."""

    writer: Writer
    values: dict[SSAValue, str]
    sizes: dict[SSAValue, str]
    """Words of every memory, as i64."""
    kernels: Collection[str] = ()
    """Names of kernels that this one may call."""
    helpers: dict[str, Written] = field(default_factory=dict[str, Written])
    """Functions that the kernel calls, so that what is long and frequent is compiled once."""

    def __getitem__(self, value: SSAValue) -> str:
        return self.values[value]

    def typed(self, value: SSAValue) -> tuple[str, str]:
        """A type and a value of it."""
        return llvm_type(value.type), self.values[value]

    def emit(self, op: Operation, text: str) -> None:
        """An instruction that gives the result of an operation."""
        self.values[op.results[0]] = self.writer.emit(text)

    def help(
        self, name: str, result: str, operands: Sequence[Typed], write: Callable[[Writer, Sequence[str]], str]
    ) -> str:
        """The result of a function of its own, which is written when it is first wanted."""
        symbol = f"{self.writer.name}.{name}"
        if symbol not in self.helpers:
            arguments = [(kind, f"operand{number}") for number, (kind, _) in enumerate(operands)]
            helper = Writer(symbol, arguments, result)
            helper.do(f"ret {result} {write(helper, [f'%{argument}' for _, argument in arguments])}")
            self.helpers[symbol] = Written((helper.text("internal", "noinline"),), frozenset(helper.declarations))
        return self.writer.emit(f"call {result} @{symbol}({', '.join(map(' '.join, operands))})")

    def fail_if(self, condition: str, fault: Fault, *numbers: Typed) -> None:
        """End the function if `condition` holds; `numbers` are up to three integers."""
        writer = self.writer
        number = writer.fresh("")
        writer.do(f"br i1 {condition}, label %fault{number}, label %fine{number}")
        writer.label(f"fault{number}")
        wide = [value if kind == "i64" else writer.emit(f"sext {kind} {value} to i64") for kind, value in numbers]
        told = [str(int(fault)), *wide, *["0"] * (FAULT_WORDS - 1 - len(wide))]
        code = self.help("fail", "i32", [("ptr", "%fault"), *(("i64", value) for value in told)], _tell)
        writer.do(f"ret i32 {code}")
        writer.label(f"fine{number}")

    def place(self, memory: SSAValue, index: SSAValue, words: int) -> str:
        """The address of an access, which lies inside its memory."""
        writer, size = self.writer, self.sizes[memory]
        start = writer.emit(f"sext i32 {self[index]} to i64")
        end = writer.emit(f"add i64 {start}, {words}")
        below, beyond = writer.emit(f"icmp slt i64 {start}, 0"), writer.emit(f"icmp sgt i64 {end}, {size}")
        outside = writer.emit(f"or i1 {below}, {beyond}")
        self.fail_if(outside, Fault.OUTSIDE, ("i64", start), ("i64", str(words)), ("i64", size))
        return writer.offset(self[memory], start, "i32")


def _tell(writer: Writer, operands: Sequence[str]) -> str:
    """Write the numbers of a fault; the result is that of a kernel with one."""
    for place, value in enumerate(operands[1:]):
        writer.store("i64", value, writer.offset(operands[0], place, "i64"))
    return "1"
