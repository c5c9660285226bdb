"""
The product of two matrices that were both computed: the convolution, with blocks that arrive instead of weights.

    slot      right operand, [output block][depth block][8 × 8]      then left operand, [depth block][pixel][8]
    partial   the head of a chunk of weights: every block is there; with general scales, then the sums

A block of the right operand, 8 pixels of 8 channels, lies in memory as a block of weights does: [8 of the sum][8 of the
output]. Where its pixels are output channels it comes the other way round, and is transposed where it lies. So all that
is left to do is to say where the blocks are, in words that the convolution reads.

Zero-points of general scales come apart from the products of int8:

    Σ (a - A)·(b - B) = Σ a·b + (K·A·B - A · Σ b) - B · Σ a

The first bracket is the same for all pixels of an output channel, so it is the bias. The last term is the same for all
output channels of a pixel: it comes off when the sums become int8. Both are matrix products, by A or B in every place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import i8
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import B64, W8, W16, W32, Assembler
from compiler.kernels.bodies.pixel_loads import PIXEL_WORDS
from compiler.kernels.bodies.rescaling import Rescaler
from compiler.kernels.bodies.steps import SUM_WORDS, kept_steps
from compiler.kernels.bodies.vector_unit import multiply_accumulate, transposed, zeros
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.row_steps import GROUP
from compiler.kernels.weight_chunk import BLOCK_WORDS


@dataclass(frozen=True)
class _Operands:
    """Where the matrices lie, and how large they are."""

    body: Assembler
    depth: SSAValue
    """Blocks of 8 terms."""
    stride: SSAValue
    """Words from one block of the left operand to the next."""
    slot: SSAValue
    words: SSAValue
    """Of the right operand."""

    @classmethod
    def of(cls, body: Assembler) -> _Operands:
        """From the parameters."""
        depth, stride = body.parameter(Parameter.DEPTH), body.parameter(Parameter.BLOCK_STRIDE)
        slot, count = body.tap(body.index(0)), body.multiply(body.arguments.blocks, depth)
        return cls(body, depth, stride, slot, body.multiply(count, body.index(BLOCK_WORDS)))

    def turn(self) -> None:
        """Transpose the blocks of the right operand that come so."""
        body = self.body
        turned = body.multiply(self.words, body.parameter(Parameter.TRANSPOSED))
        with body.loop(body.index(0), turned, BLOCK_WORDS) as block:
            place = body.add(self.slot, block.index)
            body.store(transposed(body, body.load(place, W16)), place)

    def list_blocks(self, bias: Callable[[SSAValue], SSAValue]) -> SSAValue:
        """Write the head of a chunk with the `bias` of each output block, 8 words; where its list of offsets begins."""
        body, call, zero = self.body, self.body.arguments, self.body.index(0)
        body.store_word(body.as_word(body.subtract(self.slot, call.partial)), call.partial)
        pointers = body.add(call.partial, body.index(1))
        after = body.add(call.blocks, body.index(1))
        with body.loop(zero, after) as block:
            body.store_word(body.as_word(body.multiply(block.index, self.depth)), body.add(pointers, block.index))
        biases = body.add(pointers, after)
        offsets = body.add(biases, body.multiply(call.blocks, body.index(8)))
        with body.loop(zero, call.blocks) as block:
            body.store(bias(block.index), body.add(biases, body.multiply(block.index, body.index(8))))
            first = body.add(offsets, body.multiply(block.index, self.depth))
            with body.loop(zero, self.depth) as entry:
                offset = body.add(self.words, body.multiply(entry.index, self.stride))
                body.store_word(body.as_word(offset), body.add(first, entry.index))
        return offsets


def matmul(arena_words: int) -> func.FuncOp:
    """See `semantics.matmul`."""
    body = Assembler(Kernel.MATMUL.symbol, arena_words)
    call, operands = body.arguments, _Operands.of(body)
    operands.turn()
    none = body.words(np.zeros(8, np.int32), W8)
    operands.list_blocks(lambda _: none)
    # the chunk is where sums of other launches are, and it is a whole one: from the bias to int8
    whole = body.index(1)
    body.call_kernel(Kernel.CONV.symbol, replace(call, weights=call.partial, first=whole, last=whole))
    return body.finish()


@dataclass(frozen=True)
class _ZeroPoints:
    """What zero-points add to products of int8."""

    operands: _Operands
    nothing: SSAValue
    """Sums of 0."""
    left: SSAValue
    """A in every place of four pixels, 8 words."""
    right: SSAValue
    """B in every place of a block, 16 words."""
    right_end: SSAValue
    """The same, but 0 for the terms of the last block that do not count."""
    constant: SSAValue
    """K·A·B in 32 lanes."""

    @classmethod
    def of(cls, operands: _Operands) -> _ZeroPoints:
        """Prepare before the kernel's loops."""
        body = operands.body
        zeros_of = (Parameter.ZERO_A, Parameter.ZERO_B)
        terms, left, right = (body.parameter_word(parameter) for parameter in (Parameter.TERMS, *zeros_of))
        constant = body.broadcast(body.multiply(terms, body.multiply(left, right)), W32)
        before = body.multiply(body.subtract(body.as_word(operands.depth), body.word(1)), body.word(8))
        counted = _bytes(body, body.subtract(terms, before))
        row = body.words(np.repeat(np.arange(8, dtype=np.int8), 8).view(np.int32), B64)
        none = body.words(np.zeros(16, np.int32), B64)
        one = body.words(np.full(16, 0x01010101, np.int32), B64)
        counts = body.minimum(body.maximum(body.subtract(counted, row), none), one)
        lefts, rights = _bytes(body, left), _bytes(body, right)
        end = body.binary(arith.AndIOp, rights, body.subtract(none, counts))
        words = body.bitcast(lefts, W16)
        return cls(
            operands,
            zeros(body),
            body.shuffle(words, words, range(8), W8),
            body.bitcast(rights, W16),
            body.bitcast(end, W16),
            constant,
        )

    def bias(self, block: SSAValue) -> SSAValue:
        """K·A·B - A · Σ b of the output channels of a block, 8 words."""
        operands, body = self.operands, self.operands.body
        words = body.multiply(operands.depth, body.index(BLOCK_WORDS))
        first = body.add(operands.slot, body.multiply(block, words))
        with body.loop(body.index(0), words, BLOCK_WORDS, carried=[self.nothing]) as entry:
            terms = body.load(body.add(first, entry.index), W16)
            body.yield_(multiply_accumulate(body, self.left, terms, entry.values[0]))
        four = body.subtract(self.constant, body.bitcast(entry.results[0], W32))
        return body.shuffle(four, four, range(8), W8)

    def of_pixels(self, pixel: SSAValue) -> SSAValue:
        """B · Σ a of the four pixels from `pixel` on, 32 lanes."""
        operands, body = self.operands, self.operands.body
        row = body.add(operands.slot, operands.words)
        first = body.add(row, body.multiply(pixel, body.index(PIXEL_WORDS)))
        last = body.subtract(operands.depth, body.index(1))
        with body.loop(body.index(0), last, carried=[self.nothing]) as entry:
            terms = body.load(body.add(first, body.multiply(entry.index, operands.stride)), W8)
            body.yield_(multiply_accumulate(body, terms, self.right, entry.values[0]))
        terms = body.load(body.add(first, body.multiply(last, operands.stride)), W8)
        return body.bitcast(multiply_accumulate(body, terms, self.right_end, entry.results[0]), W32)


def scaled_matmul(arena_words: int) -> func.FuncOp:
    """See `semantics.scaled_matmul`."""
    body = Assembler(Kernel.SCALED_MATMUL.symbol, arena_words)
    call, operands = body.arguments, _Operands.of(body)
    operands.turn()
    zero_points = _ZeroPoints.of(operands)
    sums = body.add(operands.list_blocks(zero_points.bias), body.multiply(call.blocks, operands.depth))
    whole, none = body.index(1), body.index(0)
    kept = replace(call, weights=call.partial, partial=sums, first=whole, last=none)
    body.call_kernel(Kernel.CONV.symbol, kept)
    _rescale(zero_points, sums)
    return body.finish()


def _rescale(zero_points: _ZeroPoints, sums: SSAValue) -> None:
    """
    Make int8 of the sums, four pixels of all output blocks after the other.

    The last pixels of a step come first, so that surplus ones fall on what is written afterwards.
    """
    body = zero_points.operands.body
    call, rescaler = body.arguments, Rescaler.of(body)
    factors = rescaler.uniform()
    width = body.parameter(Parameter.WIDTH)
    row = body.multiply(width, body.index(PIXEL_WORDS))
    with kept_steps(body, sums, width) as step, body.loop(body.index(0), step.size, GROUP) as group:
        pixel = body.subtract(body.subtract(step.size, body.index(GROUP)), group.index)
        first = body.add(step.first, pixel)
        less = zero_points.of_pixels(first)
        own = body.add(step.sums, body.multiply(pixel, body.index(SUM_WORDS)))
        out = body.add(call.out, body.multiply(first, body.index(PIXEL_WORDS)))
        with body.loop(body.index(0), call.blocks) as block:
            total = body.load(body.add(own, body.multiply(block.index, step.words)), W32)
            lanes = rescaler.rescaled(body.subtract(total, less), factors)
            rescaler.settler.store_one(lanes, body.add(out, body.multiply(block.index, row)))


def _bytes(body: Assembler, word: SSAValue) -> SSAValue:
    """The low byte of a word in 64 lanes."""
    return body.broadcast(body.emit(arith.TruncIOp(word, i8)), B64)
