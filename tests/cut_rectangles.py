"""Hard problems with a known optimum: a full rectangle of capacity × time, cut into pieces at random."""

import heapq
import random

from compiler.allocation import Buffer, Problem

STEPS, UNITS, UNIT_BYTES = 400, 1024, 1024


def cut_rectangle(seed: int, pieces: int, *, loose: float = 0.0) -> Problem:
    """
    A problem of `pieces` buffers that fits with no byte to spare in any step.

    Always the largest piece is cut in two, along time or along bytes. A share of `loose` of all pieces is then made one
    unit smaller or one step shorter, so that there are some bytes to spare and a search must decide where.
    """
    generator = random.Random(seed)
    heap = [(-STEPS * UNITS, 0, STEPS, UNITS)]
    while len(heap) < pieces:
        _, lower, upper, size = heapq.heappop(heap)
        if size > 1 and (upper - lower < 2 or generator.random() < 0.6):
            part = generator.randint(1, size - 1) if size < 8 else generator.randint(size // 8, size - size // 8)
            halves = ((lower, upper, part), (lower, upper, size - part))
        else:
            middle = generator.randint(lower + 1, upper - 1)
            halves = ((lower, middle, size), (middle, upper, size))
        for start, end, height in halves:
            heapq.heappush(heap, (-(end - start) * height, start, end, height))
    pieces_left = [(lower, upper, size) for _, lower, upper, size in heap]
    generator.shuffle(pieces_left)
    buffers: list[Buffer] = []
    for index, (lower, upper, size) in enumerate(pieces_left):
        spare = generator.random() < loose
        shorter = spare and upper - lower > 1 and generator.random() < 0.5
        smaller = spare and not shorter and size > 1
        buffers.append(Buffer(f"b{index}", lower, upper - shorter, (size - smaller) * UNIT_BYTES, alignment=1))
    return Problem(tuple(buffers), capacity=UNITS * UNIT_BYTES)
