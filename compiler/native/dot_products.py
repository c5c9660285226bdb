"""
How one pixel of 8 channels meets an 8×8 block of weights, on different processors.

Each way keeps the 8 sums of a pixel in a vector of its own choice, knows in which order the bytes of a block have to
lie for that, and reduces the vector to 8 int32 at the end. They compute the same sums, modulo 2^32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from compiler.jit.machine import Processor
from compiler.jit.writer import Writer

BLOCK_BYTES = 64
Blocks = npt.NDArray[np.int8]
"""[any][8 input channels][8 output channels]"""


class DotProducts(Protocol):
    """One way to multiply and add."""

    name: str
    most_pixels: int
    """As many pixels at once as have their sums in registers."""
    lanes: int
    """int32 lanes of one pixel's sums."""

    def arranged(self, blocks: Blocks) -> Blocks:
        """The 64 bytes of each block in the order in which they are loaded."""
        ...

    def initial(self, bias: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """The lanes that sums begin with, of int32[any][8]."""
        ...

    def weights(self, body: Writer, block: str) -> Sequence[str]:
        """Load a block."""
        ...

    def added(self, body: Writer, sums: str, pixel: str, weights: Sequence[str]) -> str:
        """`sums` plus the 8 unsigned bytes at `pixel` times the block."""
        ...

    def pair(self, body: Writer, left: str, right: str) -> str:
        """The sums of two pixels as <16 x i32>."""
        ...


def _indices(indices: Sequence[int]) -> str:
    return f"<{len(indices)} x i32> <{', '.join(f'i32 {index}' for index in indices)}>"


def _shuffled(body: Writer, kind: str, left: str, right: str, indices: Sequence[int]) -> str:
    return body.emit(f"shufflevector {kind} {left}, {kind} {right}, {_indices(indices)}")


class Fourfold:
    """
    AVX512-VNNI: every lane takes four products at once.

    The 8 bytes of a pixel are repeated over the vector, so lanes 2j and 2j + 1 hold the two halves of output j.
    """

    name = "AVX512-VNNI"
    most_pixels = 28
    lanes = 16

    def arranged(self, blocks: Blocks) -> Blocks:
        """[output][input]"""
        return np.ascontiguousarray(blocks.transpose(0, 2, 1))

    def initial(self, bias: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """In the first lane of each output."""
        return np.stack([bias, np.zeros_like(bias)], axis=-1).reshape(len(bias), self.lanes)

    def weights(self, body: Writer, block: str) -> Sequence[str]:
        """One vector."""
        return [body.load("<64 x i8>", block)]

    def added(self, body: Writer, sums: str, pixel: str, weights: Sequence[str]) -> str:
        """One instruction, and the load that repeats the pixel."""
        everywhere = _repeated(body, pixel, 8)
        return body.call(
            "<16 x i32>",
            "llvm.x86.avx512.vpdpbusd.512",
            ("<16 x i32>", sums),
            ("<64 x i8>", body.emit(f"bitcast <8 x i64> {everywhere} to <64 x i8>")),
            ("<64 x i8>", weights[0]),
        )

    def pair(self, body: Writer, left: str, right: str) -> str:
        """Even lanes plus odd ones."""
        kind = "<16 x i32>"
        even = _shuffled(body, kind, left, right, range(0, 32, 2))
        return body.emit(f"add {kind} {even}, {_shuffled(body, kind, left, right, range(1, 32, 2))}")


def _repeated(body: Writer, pixel: str, times: int) -> str:
    kind = f"<{times} x i64>"
    first = body.emit(f"insertelement {kind} poison, i64 {body.load('i64', pixel)}, i64 0")
    return _shuffled(body, kind, first, "poison", [0] * times)


class FourfoldHalves(Fourfold):
    """AVX-VNNI: the same in two halves of 256 bits, of fewer registers."""

    name = "AVX-VNNI"
    most_pixels = 6

    def weights(self, body: Writer, block: str) -> Sequence[str]:
        """Two vectors."""
        return [body.load("<32 x i8>", block), body.load("<32 x i8>", body.offset(block, 32))]

    def added(self, body: Writer, sums: str, pixel: str, weights: Sequence[str]) -> str:
        """Two instructions."""
        everywhere = body.emit(f"bitcast <4 x i64> {_repeated(body, pixel, 4)} to <32 x i8>")
        lower, upper = (
            body.call(
                "<8 x i32>",
                "llvm.x86.avx512.vpdpbusd.256",
                ("<8 x i32>", _shuffled(body, "<16 x i32>", sums, "poison", range(8 * half, 8 * half + 8))),
                ("<32 x i8>", everywhere),
                ("<32 x i8>", weights[half]),
            )
            for half in range(2)
        )
        return _shuffled(body, "<8 x i32>", lower, upper, range(16))


class _OneLanePerOutput:
    """8 lanes of sums, one for each output."""

    lanes = 8

    def initial(self, bias: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """As it is."""
        return bias

    def pair(self, body: Writer, left: str, right: str) -> str:
        """One behind the other."""
        return _shuffled(body, "<8 x i32>", left, right, range(16))


class Twofold(_OneLanePerOutput):
    """AVX2: every lane takes two products of 16 bits. (Its products of bytes saturate, so they are no use.)"""

    name = "AVX2"
    most_pixels = 8

    def arranged(self, blocks: Blocks) -> Blocks:
        """[pair of inputs][output][input of the pair]"""
        return np.ascontiguousarray(blocks.reshape(-1, 4, 2, 8).transpose(0, 1, 3, 2))

    def weights(self, body: Writer, block: str) -> Sequence[str]:
        """Four vectors of 16 bits."""
        loaded = [body.load("<16 x i8>", body.offset(block, 16 * pair)) for pair in range(4)]
        return [body.emit(f"sext <16 x i8> {vector} to <16 x i16>") for vector in loaded]

    def added(self, body: Writer, sums: str, pixel: str, weights: Sequence[str]) -> str:
        """Two inputs at a time."""
        wide = body.emit(f"zext <8 x i8> {body.load('<8 x i8>', pixel)} to <8 x i16>")
        pairs = body.emit(f"bitcast <8 x i16> {wide} to <4 x i32>")
        for number, vector in enumerate(weights):
            repeated = _shuffled(body, "<4 x i32>", pairs, "poison", [number] * 8)
            halves = body.emit(f"bitcast <8 x i32> {repeated} to <16 x i16>")
            products = body.call("<8 x i32>", "llvm.x86.avx2.pmadd.wd", ("<16 x i16>", vector), ("<16 x i16>", halves))
            sums = body.emit(f"add <8 x i32> {sums}, {products}")
        return sums


class OneByOne(_OneLanePerOutput):
    """Any processor: LLVM chooses the instructions."""

    name = "plain vectors"
    most_pixels = 4

    def arranged(self, blocks: Blocks) -> Blocks:
        """[input][output]"""
        return np.ascontiguousarray(blocks)

    def weights(self, body: Writer, block: str) -> Sequence[str]:
        """One vector for each input."""
        loaded = [body.load("<8 x i8>", body.offset(block, 8 * channel)) for channel in range(8)]
        return [body.emit(f"sext <8 x i8> {vector} to <8 x i32>") for vector in loaded]

    def added(self, body: Writer, sums: str, pixel: str, weights: Sequence[str]) -> str:
        """One input at a time."""
        wide = body.emit(f"zext <8 x i8> {body.load('<8 x i8>', pixel)} to <8 x i32>")
        for channel, vector in enumerate(weights):
            repeated = _shuffled(body, "<8 x i32>", wide, "poison", [channel] * 8)
            sums = body.emit(f"add <8 x i32> {sums}, {body.emit(f'mul <8 x i32> {vector}, {repeated}')}")
        return sums


NEEDS: tuple[tuple[frozenset[str], DotProducts], ...] = (
    (frozenset({"avx512f", "avx512bw", "avx512vnni"}), Fourfold()),
    (frozenset({"avx2", "avxvnni"}), FourfoldHalves()),
    (frozenset({"avx2"}), Twofold()),
    (frozenset(), OneByOne()),
)
"""What each way needs of an x86 processor, the fastest first."""


def usable(processor: Processor) -> tuple[DotProducts, ...]:
    """The ways that a processor has, the fastest first. What AVX-VNNI does, AVX512-VNNI does on short vectors too."""
    features = set(processor.features) if processor.architecture in ("x86_64", "i386", "i686") else set[str]()
    if {"avx512vl", "avx512vnni"} <= features:
        features.add("avxvnni")
    return tuple(way for needs, way in NEEDS if needs <= features)
