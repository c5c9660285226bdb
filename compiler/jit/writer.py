"""
Write one LLVM function with one short call per instruction.

    body = Writer("sum", [("ptr", "cells"), ("i64", "count")])
    with body.loop("0", "%count", carried=[("i32", "0")]) as loop:
        cell = body.load("i32", body.offset("%cells", body.emit(f"mul i64 {loop.index}, 4")))
        loop.carry(body.emit(f"add i32 {loop.values[0]}, {cell}"))

Values are the names of LLVM's own text, so whoever knows that can read what is written here. A loop tests before its
first turn; what it carries is, after it, in the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

Typed = tuple[str, str]
"""A type and a value of it."""


@dataclass(frozen=True)
class Written:
    """Functions, and the declarations of what they call."""

    functions: tuple[str, ...]
    declarations: frozenset[str]


@dataclass
class Loop:
    """A loop being written: its index, an i64, and the values that it carries from turn to turn."""

    index: str
    values: tuple[str, ...]
    following: tuple[str, ...] = ()

    def carry(self, *values: str) -> None:
        """What the next turn begins with, once for each carried value."""
        assert len(values) == len(self.values), f"the loop carries {len(self.values)} values, not {len(values)}"
        self.following = values


@dataclass
class Writer:
    """A function without result, or with one of type `result`."""

    name: str
    arguments: Sequence[Typed]
    result: str = "void"
    declarations: set[str] = field(default_factory=set[str])
    _lines: list[str] = field(default_factory=list[str])
    _block: str = "entry"
    _count: int = 0

    def fresh(self, prefix: str = "%v") -> str:
        """A name that is not yet used."""
        self._count += 1
        return f"{prefix}{self._count}"

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self._lines.append(f"  {text}")

    def emit(self, text: str) -> str:
        """An instruction, and the name of its result."""
        name = self.fresh()
        self.do(f"{name} = {text}")
        return name

    def label(self, name: str) -> None:
        """Begin a block; the one before has ended in a branch."""
        self._lines.append(f"{name}:")
        self._block = name

    @property
    def block(self) -> str:
        """The block being written."""
        return self._block

    def call(self, result: str, symbol: str, *arguments: Typed) -> str:
        """Call a function from outside, an intrinsic for instance, which is declared by this."""
        self.declarations.add(f"declare {result} @{symbol}({', '.join(kind for kind, _ in arguments)})")
        return self.emit(f"call {result} @{symbol}({', '.join(map(' '.join, arguments))})")

    def offset(self, pointer: str, count: int | str, kind: str = "i8") -> str:
        """The pointer `count` elements further."""
        return pointer if count == 0 else self.emit(f"getelementptr {kind}, ptr {pointer}, i64 {count}")

    def load(self, kind: str, pointer: str) -> str:
        """A value from any address."""
        return self.emit(f"load {kind}, ptr {pointer}, align 1")

    def store(self, kind: str, value: str, pointer: str) -> None:
        """A value to any address."""
        self.do(f"store {kind} {value}, ptr {pointer}, align 1")

    def multiply_add(self, index: str, factor: int, base: str | int = 0) -> str:
        """index · factor + base, as i64."""
        product = self.emit(f"mul nsw i64 {index}, {factor}")
        return product if base == 0 else self.emit(f"add nsw i64 {product}, {base}")

    @contextmanager
    def loop(
        self, lower: str | int, upper: str | int, step: str | int = 1, carried: Sequence[Typed] = ()
    ) -> Generator[Loop]:
        """`for index in range(lower, upper, step)`."""
        number = self.fresh("")
        head, inside, after = f"head{number}", f"turn{number}", f"after{number}"
        before = self._block
        self.do(f"br label %{head}")
        self.label(head)
        loop = Loop(self.fresh(), tuple(self.fresh() for _ in carried))
        phis = len(self._lines)
        more = self.fresh()
        self.do(f"{more} = icmp slt i64 {loop.index}, {upper}")
        self.do(f"br i1 {more}, label %{inside}, label %{after}")
        self.label(inside)
        yield loop
        assert len(loop.following) == len(carried), "a loop that carries values says what the next turn begins with"
        following = self.emit(f"add nsw i64 {loop.index}, {step}")
        latch = self._block
        self.do(f"br label %{head}")
        self._lines[phis:phis] = [
            f"  {name} = phi {kind} [ {first}, %{before} ], [ {then}, %{latch} ]"
            for name, kind, first, then in zip(
                (loop.index, *loop.values),
                ("i64", *(kind for kind, _ in carried)),
                (lower, *(value for _, value in carried)),
                (following, *loop.following),
                strict=True,
            )
        ]
        self.label(after)

    def written(self) -> Written:
        """The function on its own."""
        return Written((self.text(),), frozenset(self.declarations))

    def choose(
        self,
        condition: str,
        then: Callable[[], Sequence[str]],
        otherwise: Callable[[], Sequence[str]],
        kinds: Sequence[str] = (),
    ) -> tuple[str, ...]:
        """Do one of two things; both give values of these types."""
        number = self.fresh("")
        self.do(f"br i1 {condition}, label %then{number}, label %else{number}")
        ways: list[tuple[Sequence[str], str]] = []
        for label, write in ((f"then{number}", then), (f"else{number}", otherwise)):
            self.label(label)
            ways.append((write(), self._block))
            self.do(f"br label %join{number}")
        self.label(f"join{number}")
        return tuple(
            self.emit(f"phi {kind} {', '.join(f'[ {values[index]}, %{block} ]' for values, block in ways)}")
            for index, kind in enumerate(kinds)
        )

    def text(self, linkage: str = "", attributes: str = "") -> str:
        """The whole function; the block being written has ended in a `ret`."""
        arguments = ", ".join(f"{kind} %{name}" for kind, name in self.arguments)
        head = f"define {linkage + ' ' if linkage else ''}{self.result} @{self.name}({arguments}) {attributes} {{"
        return "\n".join([head, "entry:", *self._lines, "}"])


def module_text(parts: Iterable[Written]) -> str:
    """A module of all these functions."""
    every = tuple(parts)
    declarations = sorted({line for part in every for line in part.declarations})
    return "\n".join([*declarations, *(text for part in every for text in part.functions)])
