"""
How the convolution kernel divides an output row: 16 pixels at once, then 8 for the rest.

A weight block takes as long to load as eight pixels. With four groups of four pixels per block, loads and
multiplications take equally long; with two, the loads take half as long again; one would take as long as two.
A rest of more than 8 pixels is a step of 16 too, so a row is always computed up to the next multiple of 8.
"""

from __future__ import annotations

GROUP = 4
"""Pixels per multiply-accumulate."""

WIDE_PIXELS = 16
"""Pixels of a step of the main loop."""

NARROW_PIXELS = 8
"""Pixels of the step for the rest, and of every step where pixels are loaded one by one."""

NEIGHBOURS = 2
"""Words from one pixel to the next where four pixels are one load."""

EVERY_SECOND = 4
"""Words from one pixel to the next where four pixels are every second one of two loads."""

SURPLUS_WORDS = 2 * (NARROW_PIXELS - 1)
"""The most words of surplus pixels that fall behind the last output block of a row."""


def computed_pixels(width: int) -> int:
    """Pixels that the kernel computes of a row of `width`, partial sums included."""
    return -(-width // NARROW_PIXELS) * NARROW_PIXELS


def row_steps(width: int, pixel_stride: int) -> tuple[int, int]:
    """Steps of 16 pixels, and steps of 8, that a row takes."""
    wide = (width + WIDE_PIXELS - NARROW_PIXELS - 1) // WIDE_PIXELS if pixel_stride <= EVERY_SECOND else 0
    return wide, (computed_pixels(width) - WIDE_PIXELS * wide) // NARROW_PIXELS


def surplus_reach(width: int, pixel_stride: int) -> int:
    """Words that loads for surplus pixels, and for pixels that are left out, may lie behind an input slot."""
    return (computed_pixels(width) - width) * pixel_stride + pixel_stride
