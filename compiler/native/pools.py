"""
Pools as machine code: for each output pixel of each block a loop over the cells of its window that lie on the map.

    void pool(input, output)     the first pixels of both maps

The largest byte is that of the largest value. A mean is a division of two integers that float64 holds, and its result
rounds as the exact fraction does: one that is no tie is further from it than float64 rounds, for the numerator and the
divisor have 31 bits at most, or the result is far beyond int8. Powers of two change no digit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compiler.jit.writer import Writer, Written
from compiler.native.dot_products import DotProducts
from compiler.native.layout import CHANNELS, ZERO, Pads
from compiler.native.rounding import as_bytes
from compiler.quantization.arithmetic import Clamp, Rounding

ARGUMENTS = (("ptr", "input"), ("ptr", "output"))
BYTES, WORDS, REALS = "<8 x i8>", "<8 x i32>", "<8 x double>"
WIDEST_SHIFT = 32
"""A mean shifted further is zero or beyond int8."""


@dataclass(frozen=True)
class Windows:
    """Windows over a map, and where both maps lie, in bytes."""

    blocks: int
    size: tuple[int, int]
    result: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: Pads
    input_row: int
    input_block: int
    output_row: int
    output_block: int


@dataclass(frozen=True)
class MaxPoolCode:
    """The largest value of each window, clamped."""

    windows: Windows
    clamp: Clamp

    def write(self, name: str, dots: DotProducts) -> Written:
        """The function."""

        def result(body: Writer, window: _Window) -> str:
            largest = window.reduced(BYTES, lambda cells, cell: _extreme(body, "umax", cells, cell))
            low, high = (bound + ZERO for bound in self.clamp)
            if low > 0:
                largest = _extreme(body, "umax", largest, f"splat (i8 {low})")
            return largest if high == 255 else _extreme(body, "umin", largest, f"splat (i8 {high})")

        return _written(name, self.windows, result)


@dataclass(frozen=True)
class AvgPoolCode:
    """The mean of each window times 2^-shift, rounded and clamped."""

    windows: Windows
    counts_pads: bool
    shift: int
    rounding: Rounding
    clamp: Clamp

    def write(self, name: str, dots: DotProducts) -> Written:
        """The function."""
        return _written(name, self.windows, self._mean)

    def _mean(self, body: Writer, window: _Window) -> str:
        def added(sums: str, cell: str) -> str:
            return body.emit(f"add {WORDS} {sums}, {body.emit(f'zext {BYTES} {cell} to {WORDS}')}")

        bytes_ = window.reduced(WORDS, added)
        offset = _splat(body, WORDS, "i32", body.emit(f"mul i64 {window.cells(False)}, {ZERO}"), "trunc i64 {} to i32")
        total = body.emit(f"sitofp {WORDS} {body.emit(f'sub {WORDS} {bytes_}, {offset}')} to {REALS}")
        count = _splat(body, REALS, "double", window.cells(self.counts_pads), "sitofp i64 {} to double")
        scale = 2.0 ** -max(-WIDEST_SHIFT, min(self.shift, WIDEST_SHIFT))
        mean = body.emit(f"fmul {REALS} {body.emit(f'fdiv {REALS} {total}, {count}')}, splat (double {scale!r})")
        for compared, bound in (("olt", self.clamp[0]), ("ogt", self.clamp[1])):
            # before rounding as well as after it, for rounding keeps order and the bounds are integers
            end = f"splat (double {float(bound)!r})"
            beyond = body.emit(f"fcmp {compared} {REALS} {mean}, {end}")
            mean = body.emit(f"select <8 x i1> {beyond}, {REALS} {end}, {REALS} {mean}")
        words = body.emit(f"fptosi {REALS} {self._rounded(body, mean)} to {WORDS}")
        return as_bytes(body, words, CHANNELS)

    def _rounded(self, body: Writer, mean: str) -> str:
        if self.rounding == "half_even":
            return body.call(REALS, "llvm.roundeven.v8f64", (REALS, mean))
        below = body.call(REALS, "llvm.floor.v8f64", (REALS, mean))
        rest = body.emit(f"fsub {REALS} {mean}, {below}")
        up = body.emit(f"uitofp <8 x i1> {body.emit(f'fcmp oge {REALS} {rest}, splat (double 0.5)')} to {REALS}")
        return body.emit(f"fadd {REALS} {below}, {up}")


def _extreme(body: Writer, which: str, left: str, right: str) -> str:
    return body.call(BYTES, f"llvm.{which}.v8i8", (BYTES, left), (BYTES, right))


def _splat(body: Writer, kind: str, element: str, value: str, conversion: str) -> str:
    """An i64, converted, in every lane."""
    converted = body.emit(conversion.format(value))
    first = body.emit(f"insertelement {kind} poison, {element} {converted}, i64 0")
    return body.emit(f"shufflevector {kind} {first}, {kind} poison, <8 x i32> zeroinitializer")


def _minimum(body: Writer, left: str, right: str | int) -> str:
    return body.call("i64", "llvm.smin.i64", ("i64", left), ("i64", str(right)))


def _maximum(body: Writer, left: str, right: str | int) -> str:
    return body.call("i64", "llvm.smax.i64", ("i64", left), ("i64", str(right)))


@dataclass(frozen=True)
class _Window:
    """One window: where it begins, along both axes, and the block that it looks at."""

    body: Writer
    windows: Windows
    block: str
    starts: tuple[str, str]

    def _range(self, axis: int, padded: bool) -> tuple[str, str]:
        """Cells of an axis on the map, or on the map and its pads."""
        body, size = self.body, self.windows.size[axis]
        before, after = (self.windows.pads[axis], self.windows.pads[axis + 2]) if padded else (0, 0)
        end = body.emit(f"add i64 {self.starts[axis]}, {self.windows.kernel[axis]}")
        return _maximum(body, self.starts[axis], -before), _minimum(body, end, size + after)

    def cells(self, padded: bool) -> str:
        """How many there are, as i64."""
        sides = [
            self.body.emit(f"sub i64 {high}, {low}") for low, high in (self._range(axis, padded) for axis in (0, 1))
        ]
        return self.body.emit(f"mul i64 {sides[0]}, {sides[1]}")

    def reduced(self, kind: str, step: Callable[[str, str], str]) -> str:
        """All cells on the map, from zeros on."""
        body = self.body
        (top, bottom), (left, right) = self._range(0, False), self._range(1, False)
        with body.loop(top, bottom, carried=[(kind, "zeroinitializer")]) as down:
            row = body.offset(self.block, body.multiply_add(down.index, self.windows.input_row))
            with body.loop(left, right, carried=[(kind, down.values[0])]) as along:
                cell = body.load(BYTES, body.offset(row, body.multiply_add(along.index, CHANNELS)))
                along.carry(step(along.values[0], cell))
            down.carry(along.values[0])
        return down.values[0]


def _written(name: str, windows: Windows, result: Callable[[Writer, _Window], str]) -> Written:
    """A function that stores the `result` of every window."""
    body = Writer(name, ARGUMENTS)
    with (
        body.loop(0, windows.blocks) as block,
        body.loop(0, windows.result[0]) as down,
        body.loop(0, windows.result[1]) as along,
    ):
        starts = [
            body.multiply_add(index, windows.strides[axis], -windows.pads[axis])
            for axis, index in enumerate((down.index, along.index))
        ]
        source = body.offset("%input", body.multiply_add(block.index, windows.input_block))
        target = body.offset("%output", body.multiply_add(block.index, windows.output_block))
        target = body.offset(target, body.multiply_add(down.index, windows.output_row))
        target = body.offset(target, body.multiply_add(along.index, CHANNELS))
        body.store(BYTES, result(body, _Window(body, windows, source, (starts[0], starts[1]))), target)
    body.do("ret void")
    return body.written()
