"""
A block-sparse convolution as machine code: tiles of pixels, and for each output block the entries of its row of Γ.

An entry is one non-zero block at one tap of the kernel: the offset of the pixel that it meets, from the first one of
a tile, and 64 bytes of weights. Blocks that are zero have no entry, so they cost nothing. Geometry and rounding are in
the code; Γ is data, so layers of the same shape share their code.

    void conv(input, output, skip, pointers, offsets, weights, bias, scales)

`input` is the first pixel that the first tap of the first output looks at, `output` and `skip` the first pixels of
their maps. The entries of output block b are [pointers[b], pointers[b + 1]). Where scales are no powers of two,
`scales` holds for each output block 8 factors and the numbers of their rescaling.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.jit.writer import Writer, Written
from compiler.native.dot_products import BLOCK_BYTES, DotProducts
from compiler.native.layout import CHANNELS
from compiler.native.rounding import Rescaling, as_bytes, as_values, requantised
from compiler.native.tiles import Strip, tiled
from compiler.quantization.arithmetic import Clamp, Rounding

ARGUMENTS = tuple(
    ("ptr", name) for name in ("input", "output", "skip", "pointers", "offsets", "weights", "bias", "scales")
)


SCALES = 4
"""Numbers for each channel: the factor, and those of `rescaling_constants`."""

SCALES_BYTES = 8 * 8 * SCALES


@dataclass(frozen=True)
class Narrowing:
    """A rounding: the shift to the right before it, and the clamp after it."""

    shift: int
    clamp: Clamp


@dataclass(frozen=True)
class Scaling:
    """A multiplier and shift for each output channel, then the zero-point and the clamp."""

    zero_point: int
    clamp: Clamp


@dataclass(frozen=True)
class Skip:
    """A map that is added to the rounded convolution: both are shifted left, then narrowed together."""

    row_bytes: int
    block_bytes: int
    own_shift: int
    skip_shift: int
    sum: Narrowing


@dataclass(frozen=True)
class ConvCode:
    """All that the code depends on; strides in bytes."""

    rows: int
    columns: int
    blocks: int
    """Of the output, like the two before."""
    input_row: int
    input_column: int
    """From the pixel of one output to that of the next one."""
    output_row: int
    output_block: int
    narrowing: Narrowing | Scaling
    rounding: Rounding
    skip: Skip | None

    def write(self, name: str, dots: DotProducts) -> Written:
        """The functions of one convolution, of which `name` is the whole."""
        driver = Writer(name, ARGUMENTS)
        texts: list[str] = []
        declarations: set[str] = set()
        for number, strip in enumerate(tiled(self.rows, self.columns, dots.most_pixels)):
            tile = Writer(f"{name}.tile{number}", ARGUMENTS)
            _write_tile(tile, self, strip, dots)
            texts.append(tile.text("internal"))
            declarations |= tile.declarations
            _write_strip(driver, tile.name, self, strip)
        driver.do("ret void")
        return Written((*texts, driver.text()), frozenset(declarations | driver.declarations))


def _write_strip(driver: Writer, tile: str, code: ConvCode, strip: Strip) -> None:
    """Call the tiles of a strip; the last of a row begins where it still fits."""
    with driver.loop(0, strip.count) as down, driver.loop(0, code.columns, strip.columns) as along:
        row = driver.multiply_add(down.index, strip.rows, strip.first_row)
        last = str(code.columns - strip.columns)
        column = driver.call("i64", "llvm.smin.i64", ("i64", along.index), ("i64", last))
        places = [
            _pixel(driver, "%input", row, column, code.input_row, code.input_column),
            _pixel(driver, "%output", row, column, code.output_row, CHANNELS),
            "%skip" if code.skip is None else _pixel(driver, "%skip", row, column, code.skip.row_bytes, CHANNELS),
        ]
        passed = [*places, *(f"%{name}" for _, name in ARGUMENTS[3:])]
        driver.do(f"call void @{tile}({', '.join(f'ptr {value}' for value in passed)})")


def _pixel(body: Writer, base: str, row: str, column: str, row_bytes: int, column_bytes: int) -> str:
    above = body.offset(base, body.multiply_add(row, row_bytes))
    return body.offset(above, body.multiply_add(column, column_bytes))


def _write_tile(body: Writer, code: ConvCode, strip: Strip, dots: DotProducts) -> None:
    """All output blocks of the pixels of one tile."""
    pixels = [(row, column) for row in range(strip.rows) for column in range(strip.columns)]
    kind = f"<{dots.lanes} x i32>"
    with body.loop(0, code.blocks) as block:
        first, end = (_word(body, "%pointers", block.index, ahead) for ahead in (0, 1))
        bias = body.load(kind, body.offset("%bias", body.multiply_add(block.index, 4 * dots.lanes)))
        with body.loop(first, end, carried=[(kind, bias)] * len(pixels)) as entry:
            weights = dots.weights(body, body.offset("%weights", body.multiply_add(entry.index, BLOCK_BYTES)))
            source = body.offset("%input", _word(body, "%offsets", entry.index))
            places = [body.offset(source, row * code.input_row + column * code.input_column) for row, column in pixels]
            entry.carry(
                *(dots.added(body, sums, place, weights) for sums, place in zip(entry.values, places, strict=True))
            )
        sums = dict(zip(pixels, entry.values, strict=True))
        output = body.offset("%output", body.multiply_add(block.index, code.output_block))
        for row in range(strip.rows):
            for column in range(0, strip.columns, 2):
                both = column + 1 < strip.columns
                left, right = sums[row, column], sums[row, column + both]
                place = row, column, 16 if both else 8
                result = _narrowed(body, code, dots.pair(body, left, right), block.index, place)
                _store(body, result, body.offset(output, row * code.output_row + column * CHANNELS), place[2])
    body.do("ret void")


def _word(body: Writer, base: str, index: str, ahead: int = 0) -> str:
    """The int32 at an index, as i64."""
    return body.emit(f"sext i32 {body.load('i32', body.offset(base, body.multiply_add(index, 4, 4 * ahead)))} to i64")


def _narrowed(body: Writer, code: ConvCode, sums: str, block: str, place: tuple[int, int, int]) -> str:
    """Two pixels' <16 x i32> as the bytes of a map; of `place` row, column and bytes."""
    if isinstance(code.narrowing, Scaling):
        return as_bytes(body, _rescaled(body, code.narrowing, sums, block), 16)
    own = requantised(body, sums, 16, code.narrowing.shift, code.rounding, code.narrowing.clamp)
    if code.skip is None:
        return as_bytes(body, own, 16)
    row, column, size = place
    source = body.offset("%skip", body.multiply_add(block, code.skip.block_bytes))
    source = body.offset(source, row * code.skip.row_bytes + column * CHANNELS)
    stored = body.load(f"<{size} x i8>", source)
    if size == 8:
        stored = body.emit(f"shufflevector <8 x i8> {stored}, <8 x i8> {stored}, {_FIRST_16}")
    total = body.emit(
        f"add <16 x i32> {_shifted(body, own, code.skip.own_shift)}, "
        f"{_shifted(body, as_values(body, stored, 16), code.skip.skip_shift)}"
    )
    narrow = code.skip.sum
    return as_bytes(body, requantised(body, total, 16, narrow.shift, code.rounding, narrow.clamp), 16)


def _rescaled(body: Writer, scaling: Scaling, sums: str, block: str) -> str:
    """Both pixels by the same 8 multipliers."""
    table = body.offset("%scales", body.multiply_add(block, SCALES_BYTES))
    twice = f"<16 x i32> <{', '.join(f'i32 {lane % 8}' for lane in range(16))}>"
    columns: list[str] = []
    for number in range(SCALES):
        column = body.load("<8 x i64>", body.offset(table, 64 * number))
        columns.append(body.emit(f"shufflevector <8 x i64> {column}, <8 x i64> poison, {twice}"))
    wide = body.emit(f"sext <16 x i32> {sums} to <16 x i64>")
    products = body.emit(f"mul <16 x i64> {wide}, {columns[0]}")
    return Rescaling(*columns[1:]).apply(body, products, 16, scaling.zero_point, scaling.clamp)


_FIRST_16 = f"<16 x i32> <{', '.join(f'i32 {lane}' for lane in range(16))}>"


def _shifted(body: Writer, values: str, left: int) -> str:
    return values if left == 0 else body.emit(f"shl <16 x i32> {values}, splat (i32 {left})")


def _store(body: Writer, values: str, place: str, size: int) -> None:
    """The first `size` of 16 bytes."""
    if size == 8:
        first = ", ".join(f"i32 {lane}" for lane in range(8))
        values = body.emit(f"shufflevector <16 x i8> {values}, <16 x i8> poison, <8 x i32> <{first}>")
    body.store(f"<{size} x i8>", values, place)
