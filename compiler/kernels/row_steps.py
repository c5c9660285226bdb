"""
How the convolution kernel divides an output row into steps: as many pixels at once as stay in accumulators.

A weight block takes as long to load as eight pixels, so a step of 16 pixels keeps the multiplier as busy as the loads,
and a longer one only pays less often for what a step costs around its products. 28 pixels are seven accumulators of
nine, and the maps of networks for 224 pixels are 224, 112, 56, 28, 14 and 7 wide. A rest is one step of the smallest
size that covers it, or of the largest and a further rest.

A last step that is longer than its rest begins earlier and computes some pixels again, which gives the same numbers.
So only a row shorter than its step has surplus pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

GROUP = 4
"""Pixels per multiply-accumulate."""

STEPS = (28, 16, 8)
"""Pixels of the steps of a row."""

SURPLUS_PIXELS = STEPS[0] - STEPS[1] - 1
"""The most surplus pixels: a row of one more than the second size is a step of the first."""

SURPLUS_WORDS = 2 * SURPLUS_PIXELS
"""The most words of surplus pixels that fall behind the last output block of a row."""


def row_steps(width: int, sizes: tuple[int, ...] = STEPS) -> tuple[int, ...]:
    """How many steps of each size a row takes: of each as long as more is left than the next smaller one covers."""
    counts: list[int] = []
    done = 0
    for size, smaller in zip(sizes, (*sizes[1:], 0), strict=True):
        counts.append(max(0, -(-(width - done - smaller) // size)))
        done += size * counts[-1]
    return tuple(counts)


def computed_pixels(width: int, sizes: tuple[int, ...] = STEPS) -> int:
    """Pixels that the kernel computes of a row of `width`, those that it computes twice counted twice."""
    return sum(size * count for size, count in zip(sizes, row_steps(width, sizes), strict=True))


@dataclass(frozen=True)
class RowStep:
    """`size` pixels from `pixel` on, after `done` pixels of other steps."""

    done: int
    pixel: int
    size: int


def steps_of_row(width: int) -> list[RowStep]:
    """The steps of a row in order; pixels from `width` on are surplus."""
    found: list[RowStep] = []
    done = 0
    for size, count in zip(STEPS, row_steps(width), strict=True):
        for _ in range(count):
            found.append(RowStep(done, max(0, min(done, width - size)), size))
            done += size
    return found


def surplus_reach(width: int) -> int:
    """Words that loads for surplus pixels may lie behind an input slot."""
    return 2 * max(0, max(step.pixel + step.size for step in steps_of_row(width)) - width)
