"""The kernel cycle model counts what the bodies hold, and adds it up as its docstring says."""

import pytest
from kernels.counting import pieces

from compiler.hardware.chip import PRESETS
from compiler.kernels.bodies import kernel_function
from compiler.kernels.cycles import PIECES, Code, Work, kernel_cycles
from compiler.kernels.parameters import Kernel, Parameter, pack
from compiler.kernels.row_steps import computed_pixels, row_steps
from compiler.kernels.semantics import Call

CHIP = PRESETS["npu1"]
P = Parameter


@pytest.mark.parametrize("kernel", list(Kernel))
def test_counts_are_those_of_the_body(kernel: Kernel) -> None:
    assert PIECES[kernel] == pieces(kernel_function(kernel, 14336))


def test_pipelined_code_is_as_long_as_its_busiest_slot() -> None:
    assert Code((4, 32, 64), (), 1, 1).pipelined(CHIP) == 2  # 1 + 1 + 2 loads of 32 bytes, two per cycle
    assert Code((), (32, 32), 1, 1).pipelined(CHIP) == 2
    assert Code((), (), 5, 3).pipelined(CHIP) == 5
    assert Code().pipelined(CHIP) == 1


def test_other_code_issues_one_after_the_other_and_waits_for_its_loads() -> None:
    assert Code((4, 4, 4), (32,), 5, 3).alone(CHIP) == 2 + 1 + 5 + 3 + CHIP.load_latency_cycles
    assert Code((), (), 5, 3).alone(CHIP) == 8


def call(*, blocks: int = 1, first: int = 1, last: int = 1) -> Call:
    return Call(weights=0, out=0, partial=0, blocks=blocks, first=first, last=last, row=0)


def test_convolution_by_hand() -> None:
    # 24 pixels are a step of 16 and one of 8; 3 taps; 2 output blocks with 12 non-zero blocks in the taps on the map
    params = pack({P.WIDTH: 24, P.TAPS: 3, P.PIXEL_STRIDE: 2})
    start = (4 + 8 + 28 + 7) + (3 * 4 + 10)
    block = (2 + 4 + 7) + 6
    branches = 4 * 6  # the step itself, the start, the way to load pixels, the end
    wide, narrow = (10 + 4 + 36 + branches), (10 + 2 + 18 + branches)
    expected = 40 + start + 2 * (block + wide + narrow) + 12 * (4 + 3)
    assert kernel_cycles(CHIP, Kernel.CONV, params, call(blocks=2), Work(rows=2, entries=12)) == expected


def test_a_rest_of_more_than_8_pixels_is_a_step_of_16() -> None:
    assert row_steps(1, 2) == row_steps(8, 2) == (0, 1)
    assert row_steps(9, 2) == row_steps(16, 4) == (1, 0)
    assert row_steps(17, 2) == row_steps(24, 2) == (1, 1)
    assert row_steps(28, 2) == (2, 0)


def test_single_pixels_are_loaded_in_steps_of_8() -> None:
    assert row_steps(28, 6) == (0, 4)


@pytest.mark.parametrize(("width", "stride"), [(width, stride) for width in range(1, 40) for stride in (2, 4, 6)])
def test_the_steps_of_a_row_cover_it_up_to_the_next_8_pixels(width: int, stride: int) -> None:
    wide, narrow = row_steps(width, stride)
    assert 16 * wide + 8 * narrow == computed_pixels(width)
    assert width <= computed_pixels(width) < width + 8


@pytest.mark.parametrize(
    ("stride", "steps", "per_entry"), [(2, (3, 1), (4, 3)), (4, (3, 1), (8, 4)), (6, (0, 7), (0, 8))]
)
def test_every_block_that_is_not_there_saves_its_cycles(
    stride: int, steps: tuple[int, int], per_entry: tuple[int, int]
) -> None:
    params = pack({P.WIDTH: 56, P.TAPS: 1, P.PIXEL_STRIDE: stride})
    dense = kernel_cycles(CHIP, Kernel.CONV, params, call(blocks=8), Work(1, 64))
    half = kernel_cycles(CHIP, Kernel.CONV, params, call(blocks=8), Work(1, 32))
    assert dense - half == 32 * (steps[0] * per_entry[0] + steps[1] * per_entry[1])


def test_partial_sums_cost_their_loads_and_stores() -> None:
    params = pack({P.WIDTH: 4, P.TAPS: 1, P.PIXEL_STRIDE: 2})
    whole, begun, resumed, ended = (
        kernel_cycles(CHIP, Kernel.CONV, params, call(first=first, last=last), Work(1, 1))
        for first, last in ((1, 1), (1, 0), (0, 0), (0, 1))
    )
    assert whole - begun == (18 + 2) - 8  # requantise and store 64 bytes, against storing 256
    assert resumed - begun == ended - whole == 4 + 4 + 7  # 256 bytes loaded, and the bias added


def test_addition_by_hand() -> None:
    # 2 blocks of 10 pixels are 160 bytes, 5 steps of 19 vector operations
    params = pack({P.BLOCK_STRIDE: 20})
    assert kernel_cycles(CHIP, Kernel.ADD, params, call(blocks=2), Work(2)) == 40 + (5 + 12 + 10 + 7) + 5 * 19 + 10


def test_average_divides_once_per_group() -> None:
    params = pack({P.WIDTH: 4, P.TAPS: 2, P.KERNEL_WIDTH: 2})
    start, group, tap = 9 + 6 + 15 + 7, 1 + 55 + 24, (1 + 1 + 7) + 6 + 6
    row, divide = 1 + 2 * 12 + 10, 9 * 18 + 10
    expected = 40 + start + (group + divide + 2 * tap + 2 * row + 6) + 6
    assert kernel_cycles(CHIP, Kernel.AVG_POOL, params, call(), Work(2)) == expected


def test_no_kernel_reaches_the_peak() -> None:
    params = pack({P.WIDTH: 56, P.TAPS: 3, P.PIXEL_STRIDE: 2})
    cycles = kernel_cycles(CHIP, Kernel.CONV, params, call(blocks=8), Work(3, 8 * 8 * 9))
    macs = 56 * 64 * 64 * 9
    assert 0.6 < macs / (cycles * CHIP.mac_per_cycle) < 0.8
