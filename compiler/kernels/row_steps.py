"""
How the convolution kernel divides an output row into steps: as many pixels at once as stay in accumulators.

A weight block takes as long to load as eight pixels, so a step of 16 pixels keeps the multiplier as busy as the loads,
and a longer one only pays less often for what a step costs around its products. 28 pixels are seven accumulators of
nine, and the maps of networks for 224 pixels are 224, 112, 56, 28, 14 and 7 wide. A rest is one step of the smallest
size that covers it, or of the largest and a further rest; the last step may compute surplus pixels.

Loads of every second pixel are twice as many and gain nothing from more than 16; partial sums, which are laid out in
whole steps of 8, take the same. Single pixels are loaded 8 at a time.
"""

from __future__ import annotations

GROUP = 4
"""Pixels per multiply-accumulate."""

LONG_STEPS = (28, 16, 8)
"""Pixels of the steps of a row that one call begins and ends, where pixels lie next to each other."""

SHORT_STEPS = (16, 8)
"""The same where every second pixel is loaded, and of partial sums."""

SINGLE_STEPS = (8,)
"""The same where pixels are loaded one by one."""

NEIGHBOURS = 2
"""Words from one pixel to the next where four pixels are one load."""

EVERY_SECOND = 4
"""Words from one pixel to the next where four pixels are every second one of two loads."""

SURPLUS_PIXELS = LONG_STEPS[0] - LONG_STEPS[1] - 1
"""The most surplus pixels: a rest of one more than the second size is a step of the first."""

SURPLUS_WORDS = 2 * SURPLUS_PIXELS
"""The most words of surplus pixels that fall behind the last output block of a row."""


def step_sizes(pixel_stride: int, whole: bool) -> tuple[int, ...]:
    """Sizes of the steps, longest first; `whole` if the call has no partial sums."""
    if pixel_stride == NEIGHBOURS and whole:
        return LONG_STEPS
    return SHORT_STEPS if pixel_stride in (NEIGHBOURS, EVERY_SECOND) else SINGLE_STEPS


def row_steps(width: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """How many steps of each size a row takes: of each as long as more is left than the next smaller one covers."""
    counts: list[int] = []
    done = 0
    for size, smaller in zip(sizes, (*sizes[1:], 0), strict=True):
        counts.append(max(0, -(-(width - done - smaller) // size)))
        done += size * counts[-1]
    return tuple(counts)


def computed_pixels(width: int, sizes: tuple[int, ...] = SHORT_STEPS) -> int:
    """Pixels that the kernel computes of a row of `width`; by default those that have partial sums."""
    return sum(size * count for size, count in zip(sizes, row_steps(width, sizes), strict=True))


def surplus_reach(width: int, pixel_stride: int) -> int:
    """Words that loads for surplus pixels, and for pixels that are left out, may lie behind an input slot."""
    most = max(computed_pixels(width, step_sizes(pixel_stride, whole)) for whole in (True, False))
    return (most - width) * pixel_stride + pixel_stride
