"""The kernel cycle model counts what the bodies hold, and adds it up as its docstring says."""

import pytest
from kernels.counting import pieces

from compiler.hardware.chip import PRESETS
from compiler.kernels.bodies import kernel_function
from compiler.kernels.cycles import PIECES, Code, Work, kernel_cycles
from compiler.kernels.parameters import Kernel, Parameter, pack
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
    # 8 pixels are 2 groups, 3 taps of which 2 lie on the map, 2 output blocks with 12 non-zero blocks in those taps
    params = pack({P.WIDTH: 8, P.TAPS: 3, P.PIXEL_STRIDE: 2})
    start = 4 + 8 + 20 + 7
    block = 1 + 2 + 7
    tap = (1 + 1 + 7) + 6 + 6
    group = (1 + 15) + 2 * 6 + 3 * tap
    listed = (1 + 1 + 7) + 6 + 10
    expected = 40 + start + 2 * (block + 2 * (group + 6) + 6) + 2 * (2 * 2 * listed + 12 * 2)
    assert kernel_cycles(CHIP, Kernel.CONV, params, call(blocks=2), Work(rows=2, entries=12)) == expected


@pytest.mark.parametrize("stride", [2, 4])
def test_every_block_that_is_not_there_saves_its_cycles(stride: int) -> None:
    params = pack({P.WIDTH: 56, P.TAPS: 1, P.PIXEL_STRIDE: stride})
    dense = kernel_cycles(CHIP, Kernel.CONV, params, call(blocks=8), Work(1, 64))
    half = kernel_cycles(CHIP, Kernel.CONV, params, call(blocks=8), Work(1, 32))
    per_entry = 2 if stride == 2 else 4
    assert dense - half == 14 * 32 * per_entry


def test_partial_sums_cost_their_loads_and_stores() -> None:
    params = pack({P.WIDTH: 4, P.TAPS: 1, P.PIXEL_STRIDE: 2})
    whole, begun, resumed, ended = (
        kernel_cycles(CHIP, Kernel.CONV, params, call(first=first, last=last), Work(1, 1))
        for first, last in ((1, 1), (1, 0), (0, 0), (0, 1))
    )
    assert whole - begun == 16 - 4  # requantise and store 32 bytes, against storing 128
    assert resumed - begun == ended - whole == 2 + 7  # 128 bytes loaded


def test_addition_by_hand() -> None:
    # 2 blocks of 10 pixels are 160 bytes, 5 steps of 21 vector operations
    params = pack({P.BLOCK_STRIDE: 20})
    assert kernel_cycles(CHIP, Kernel.ADD, params, call(blocks=2), Work(2)) == 40 + (5 + 12 + 9 + 7) + 5 * 21 + 10


def test_average_divides_once_per_group() -> None:
    params = pack({P.WIDTH: 4, P.TAPS: 2, P.KERNEL_WIDTH: 2})
    start, group, tap = 9 + 6 + 9 + 7, 1 + 55 + 20, (1 + 1 + 7) + 6 + 6
    row, divide = 1 + 2 * 20 + 10, 9 * 18 + 10
    expected = 40 + start + (group + divide + 2 * tap + 2 * row + 6) + 6
    assert kernel_cycles(CHIP, Kernel.AVG_POOL, params, call(), Work(2)) == expected


def test_no_kernel_reaches_the_peak() -> None:
    params = pack({P.WIDTH: 56, P.TAPS: 3, P.PIXEL_STRIDE: 2})
    cycles = kernel_cycles(CHIP, Kernel.CONV, params, call(blocks=8), Work(3, 8 * 8 * 9))
    macs = 56 * 64 * 64 * 9
    assert 0.2 < macs / (cycles * CHIP.mac_per_cycle) < 0.5
