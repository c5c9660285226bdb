"""
How the convolution kernel divides an output row into steps: as many pixels at once as stay in accumulators.

A weight block takes as long to load as eight pixels, so a step of 16 pixels keeps the multiplier as busy as the loads,
and a longer one only pays less often for what a step costs around its products. 28 pixels are seven accumulators of
nine, and the maps of networks for 224 pixels are 224, 112, 56, 28, 14 and 7 wide. A rest is one step of the smallest
size that covers it, or of the largest and a further rest.

A network whose maps are 17, 35, 71 and 147 wide, as from 299 pixels, is served better by 20 pixels than by 16. A
second kernel has that size instead, so that a program holds no more code; which one a network has is decided for all
of its layers (`compiler.scheduling.conv_steps`).

A last step that is longer than its rest begins earlier and computes some pixels again, which gives the same numbers.
So only a row shorter than its step has surplus pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.kernels.parameters import Kernel

GROUP = 4
"""Pixels per multiply-accumulate."""

STEPS = (28, 16, 8)
"""Pixels of the steps of a row."""
STEPS_20 = (28, 20, 8)
"""Those of `Kernel.CONV_20`."""

SURPLUS_PIXELS = max(
    size - smaller - 1 for sizes in (STEPS, STEPS_20) for size, smaller in zip(sizes, (*sizes[1:], 0), strict=True)
)
"""The most surplus pixels: a row of one more than a size is a step of the next larger one."""

SURPLUS_WORDS = 2 * SURPLUS_PIXELS
"""The most words of surplus pixels that fall behind the last output block of a row."""


def steps_of(kernel: Kernel) -> tuple[int, ...]:
    """Pixels of the steps of a kernel that convolves, or calls one that does."""
    return STEPS_20 if kernel is Kernel.CONV_20 else STEPS


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


def steps_of_row(width: int, sizes: tuple[int, ...] = STEPS) -> list[RowStep]:
    """The steps of a row in order; pixels from `width` on are surplus."""
    found: list[RowStep] = []
    done = 0
    for size, count in zip(sizes, row_steps(width, sizes), strict=True):
        for _ in range(count):
            found.append(RowStep(done, max(0, min(done, width - size)), size))
            done += size
    return found


def surplus_reach(width: int, sizes: tuple[int, ...] = STEPS) -> int:
    """Words that loads for surplus pixels may lie behind an input slot."""
    return 2 * max(0, max(step.pixel + step.size for step in steps_of_row(width, sizes)) - width)
