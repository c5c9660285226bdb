"""The kernel cycle model counts what the bodies hold, and adds it up as its docstring says."""

import numpy as np
import numpy.typing as npt
import pytest
from kernels.counting import pieces
from kernels.list_schedule import (
    ACCUMULATORS,
    BRANCH_LATENCY,
    LOAD_A,
    LOAD_B,
    LOAD_LATENCY,
    MATRIX,
    MATRIX_LATENCY,
    SCALAR,
    STORE,
    VECTOR,
    VECTOR_LATENCY,
    Step,
    Sums,
    schedule_cycles,
)

from compiler.hardware.chip import PRESETS
from compiler.kernels.bodies import kernel_function
from compiler.kernels.cycles import Work, kernel_cycles
from compiler.kernels.parameters import Kernel, Parameter, pack
from compiler.kernels.pieces import (
    ADD,
    AVG_POOL,
    CONV,
    MAX_POOL,
    PIECES,
    SCHEDULED_BRANCH,
    SCHEDULED_LOAD_LATENCY,
    Code,
)
from compiler.kernels.pool_steps import AVERAGE_STEPS, AverageSteps, PoolSteps, average_steps, pool_steps
from compiler.kernels.row_steps import STEPS, STEPS_20, SURPLUS_PIXELS, computed_pixels, row_steps, steps_of_row
from compiler.kernels.semantics import Call

CHIP = PRESETS["npu1"]
P = Parameter


@pytest.mark.parametrize("kernel", list(Kernel))
def test_counts_are_those_of_the_body(kernel: Kernel) -> None:
    assert PIECES[kernel] == pieces(kernel_function(kernel, 14336))


def test_pipelined_code_is_as_long_as_its_busiest_slot() -> None:
    assert Code(loads=(4, 32, 64), products=1, scalars=1).pipelined(CHIP) == 2  # 1 + 1 + 2 loads, two per cycle
    assert Code(loads=(4, 4, 4), products=1).pipelined(CHIP) == 3  # only one of the two load units loads scalars
    assert Code(stores=(32, 32), products=1).pipelined(CHIP) == 2
    assert Code(stores=(32,), narrowings=2).pipelined(CHIP) == 3
    assert Code(vectors=5, scalars=3).pipelined(CHIP) == 5
    assert Code().pipelined(CHIP) == 1


def test_a_slower_load_delays_each_piece_that_loads_once() -> None:
    slower = CHIP.with_overrides({"load_latency_cycles": CHIP.load_latency_cycles + 3})
    assert Code(loads=(4, 4), straight=12).alone(slower) - Code(loads=(4, 4), straight=12).alone(CHIP) == 3
    assert Code(vectors=1, straight=2).alone(slower) == 2


def test_a_slower_branch_delays_each_piece_that_ends_with_one() -> None:
    slower = CHIP.with_overrides({"branch_cycles": CHIP.branch_cycles + 2})
    assert Code(straight=12, branches=2).alone(slower) == 12 + 2 * 2
    assert Code(straight=6).alone(slower) == 6


def test_schedules_are_made_for_the_chips_latencies() -> None:
    assert SCHEDULED_LOAD_LATENCY == LOAD_LATENCY == CHIP.load_latency_cycles
    assert SCHEDULED_BRANCH == BRANCH_LATENCY == CHIP.branch_cycles


def test_a_schedule_waits_for_operands_and_slots() -> None:
    loaded = Step((LOAD_A, LOAD_B), 3, LOAD_LATENCY)
    product = Step((MATRIX,), 1, MATRIX_LATENCY, [loaded])
    beside = [Step((VECTOR,), 1, VECTOR_LATENCY) for _ in range(4)]
    # three loads by two units take two cycles, the product issues 7 after the second, and its result 5 later leaves
    assert schedule_cycles([loaded, *beside, product]) == 1 + LOAD_LATENCY + 1
    product.leaves = True
    assert schedule_cycles([loaded, *beside, product]) == 1 + LOAD_LATENCY + MATRIX_LATENCY


def test_what_is_on_the_longest_way_issues_first() -> None:
    first, second = Step((VECTOR,), 1, VECTOR_LATENCY), Step((VECTOR,), 1, VECTOR_LATENCY)
    end = Step((STORE,), 1, 1, [second])
    # in program order the store would issue in cycle 3
    assert schedule_cycles([first, second, end]) == VECTOR_LATENCY + 1


def test_what_is_left_to_issue_fills_the_delay_slots_of_a_branch() -> None:
    branch = Step((SCALAR,), 1, BRANCH_LATENCY, leaves=True)
    assert schedule_cycles([branch]) == BRANCH_LATENCY
    stores = [Step((STORE,), 1, 1) for _ in range(10)]
    assert schedule_cycles([*stores, branch]) == 10


@pytest.mark.parametrize(("others", "begins"), [(ACCUMULATORS - 2, 0), (ACCUMULATORS - 1, 24)])
def test_sums_wait_for_an_accumulator(others: int, begins: int) -> None:
    """One holds sums that are stored after 20 cycles, in four; `others` hold some that stay."""
    late = Step((SCALAR,), 1, 20)
    store = Step((STORE,), 4, 1, [late], read=[Sums(1)])
    staying = Step((SCALAR,), 1, 1, read=[Sums(2) for _ in range(others)])
    load = Step((LOAD_A,), 4, LOAD_LATENCY, leaves=True, made=Sums(1))
    assert schedule_cycles([load, late, store, staying]) == max(20 + 4, begins + 3 + LOAD_LATENCY)


def test_a_product_takes_the_accumulator_that_it_adds_to() -> None:
    staying = Step((SCALAR,), 1, 1, read=[Sums(2) for _ in range(ACCUMULATORS - 1)])
    product = Step((MATRIX,), 1, MATRIX_LATENCY, leaves=True, made=Sums(1), read=[Sums(1)])
    assert schedule_cycles([product, staying]) == MATRIX_LATENCY


def test_what_takes_no_slot_takes_no_time() -> None:
    loaded = Step((LOAD_A,), 1, LOAD_LATENCY)
    cast = Step(after=[loaded])
    assert schedule_cycles([loaded, cast, Step((SCALAR,), 1, 1, [cast], leaves=True)]) == LOAD_LATENCY + 1


def call(*, blocks: int = 1, first: int = 1, last: int = 1, rows: int = 1) -> Call:
    return Call(weights=0, out=0, partial=0, blocks=blocks, first=first, last=last, row=0, rows=rows)


def test_convolution_by_hand() -> None:
    # 44 pixels are a step of 28 and one of 16; 3 taps; 2 output blocks with 12 non-zero blocks in the taps on the map
    params = pack({P.WIDTH: 44, P.TAPS: 3, P.ROW_STEP: 1})
    way = "/if1+"
    start = CONV[""].straight + CONV["/if0+"].straight + CONV[way].straight + 6
    row = f"{way}/for0"
    guards = 3 * 6  # whether there is a step of 28, of 16, of 8
    steps = sum(CONV[f"{row}/{loop}"].straight for loop in ("for0", "for1"))
    blocks = sum(CONV[f"{row}/{loop}/for0"].straight + 10 for loop in ("for0", "for1"))
    each = CONV[row].straight + guards + steps + 2 * blocks
    # as many cycles per block as four pixels are in the step
    one, three = (
        kernel_cycles(CHIP, Kernel.CONV, params, call(blocks=2, rows=rows), Work(rows=2, entries=12)) for rows in (1, 3)
    )
    assert one == 40 + start + each + 12 * (7 + 4)
    assert three == one + 2 * each


def test_only_taps_that_are_apart_are_looked_at_to_know_which_are_on_the_map() -> None:
    one, two, apart = (
        kernel_cycles(CHIP, Kernel.CONV, pack({P.WIDTH: 28, P.TAPS: taps, P.ROW_STEP: step}), call(), Work(1, 8))
        for taps, step in ((1, 1), (2, 1), (2, 2))
    )
    assert one == two
    assert apart - two == 2 * 4 + 10 - CONV["/if0+"].straight


def test_a_skip_is_one_pass_over_the_row_after_the_last_input_chunk() -> None:
    params = pack({P.WIDTH: 20, P.TAPS: 1})
    added = params.copy()
    added[P.SKIP] = 1

    def more(first: int, last: int) -> int:
        row = call(blocks=3, first=first, last=last)
        with_skip, without = (kernel_cycles(CHIP, Kernel.CONV, each, row, Work(1, 3)) for each in (added, params))
        return with_skip - without

    # 480 bytes are 8 steps of 64, each of 6 products, and of a store after four narrowings
    assert more(1, 1) == more(0, 1) == CONV["/if2+"].straight + 6 + CONV["/if2+/for0"].straight + 8 * 6 + 10
    assert more(1, 0) == more(0, 0) == 0


def test_a_rest_is_a_step_of_the_smallest_size_that_covers_it() -> None:
    assert row_steps(1) == row_steps(8) == (0, 0, 1)
    assert row_steps(9) == row_steps(16) == (0, 1, 0)
    assert row_steps(17) == row_steps(28) == (1, 0, 0)
    assert row_steps(56) == (2, 0, 0)
    assert row_steps(63) == (2, 0, 1)
    assert row_steps(28, (16, 8)) == (2, 0)
    assert row_steps(17, STEPS_20) == row_steps(9, STEPS_20) == (0, 1, 0)
    assert row_steps(35, STEPS_20) == (1, 0, 1)


@pytest.mark.parametrize("sizes", [STEPS, STEPS_20])
@pytest.mark.parametrize("width", range(1, 70))
def test_the_steps_of_a_row_cover_it(width: int, sizes: tuple[int, ...]) -> None:
    steps = steps_of_row(width, sizes)
    assert sum(step.size for step in steps) == computed_pixels(width, sizes) <= width + SURPLUS_PIXELS
    computed = {pixel for step in steps for pixel in range(step.pixel, step.pixel + step.size)}
    assert computed == set(range(width if width > sizes[0] else steps[0].size))
    assert [step.done for step in steps] == [sum(step.size for step in steps[:n]) for n in range(len(steps))]


def test_some_row_has_the_most_surplus_pixels() -> None:
    assert max(computed_pixels(width) - width for width in range(1, 70)) == SURPLUS_PIXELS
    assert max(steps_of_row(width)[-1].size - width for width in range(1, STEPS[0])) == SURPLUS_PIXELS


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 0), (0, 0), (0, 1)])
@pytest.mark.parametrize(("width", "steps"), [(56, (2, 0, 0)), (14, (0, 1, 0)), (35, (1, 0, 1))])
def test_every_block_that_is_not_there_saves_its_cycles(
    width: int, steps: tuple[int, ...], first: int, last: int
) -> None:
    params = pack({P.WIDTH: width, P.TAPS: 1})
    own = call(blocks=8, first=first, last=last)
    dense = kernel_cycles(CHIP, Kernel.CONV, params, own, Work(1, 64))
    half = kernel_cycles(CHIP, Kernel.CONV, params, own, Work(1, 32))
    assert dense - half == 32 * sum(count * cycles for count, cycles in zip(steps, (7, 4, 3), strict=True))


def test_partial_sums_cost_their_loads_and_stores() -> None:
    params = pack({P.WIDTH: 4, P.TAPS: 1})
    begun, resumed, ended = (
        kernel_cycles(CHIP, Kernel.CONV, params, call(first=first, last=last), Work(1, 1))
        for first, last in ((1, 0), (0, 0), (0, 1))
    )
    start = {way: CONV[f"/if1-/for0/for2/{way}"].straight for way in ("if0+", "if0-")}
    end = {way: CONV[f"/if1-/for0/for2/for0/{way}"].straight for way in ("if0+", "if0-", "if0-/if0+", "if0-/if0-")}
    assert resumed - begun == start["if0-"] - start["if0+"] + end["if0-/if0-"] - end["if0-/if0+"]
    assert resumed - ended == end["if0-"] + end["if0-/if0-"] - end["if0+"]
    # 256 bytes go by one store unit, 32 at a time, while the next block's bias comes, or come by one load unit behind
    # the two words that say where its entries are, whose place is a product and a sum
    assert 8 <= end["if0-/if0+"] <= 1 + LOAD_LATENCY + 2 + 3
    assert 8 + LOAD_LATENCY <= end["if0-/if0-"] <= 8 + 2 + LOAD_LATENCY + 3


def test_addition_by_hand() -> None:
    # 2 blocks of 10 pixels are 160 bytes, 3 steps of 6 products, and of stores of 64 bytes after four narrowings
    params = pack({P.BLOCK_STRIDE: 20})
    start = ADD[""].straight + ADD["/if0+"].straight
    assert kernel_cycles(CHIP, Kernel.ADD, params, call(blocks=2), Work(2)) == 40 + start + 3 * 6 + 10


def test_a_shift_beyond_a_weight_is_done_lane_by_lane() -> None:
    params = pack({P.BLOCK_STRIDE: 20, P.SHIFT_B: 7})
    start = ADD[""].straight + ADD["/if0-"].straight
    assert kernel_cycles(CHIP, Kernel.ADD, params, call(blocks=2), Work(2)) == 40 + start + 5 * 10 + 10


AVERAGE = {P.COLUMN_STRIDE: 1, P.COLUMN_ORIGIN: -1, P.TAPS: 2, P.KERNEL_WIDTH: 3}


def average_parts() -> tuple[int, int]:
    """Before all pixels, and around those of one divisor: its reciprocal has 15 digits to find."""
    straight = AVG_POOL[""].straight + (2 * 4 + 10)
    return 40 + straight, AVG_POOL["/for1"].straight + 15 * 4 + 10


def test_average_takes_the_pixels_between_the_borders_in_long_steps() -> None:
    # windows of 3 columns, 1 apart, beside pads of 1: pixels 0 and 31 alone, and the others in steps of 20 and of 8
    params = pack({**AVERAGE, P.WIDTH: 30, P.MAP_WIDTH: 30})
    start, divisor = average_parts()
    straight = {way: code.straight for way, code in AVG_POOL.items()}
    long, short = (straight[f"/for1/if0+/for0/for{number}"] + 10 for number in (0, 1))
    row = (long + 2 * 3 * 6 + 6) + (short + 2 * 3 * 6 + 6) + straight["/for1/if0+/for0"]
    border = straight["/for1/if0-"]
    border += straight["/for1/if0-/for0"] + straight["/for1/if0-/for0/if0+"] + 2 * 2 * 6 + 10
    expected = start + 3 * divisor + 3 * row + 2 * border
    assert kernel_cycles(CHIP, Kernel.AVG_POOL, params, call(blocks=3), Work(2)) == expected


def test_what_is_not_between_borders_takes_eight_blocks_at_once() -> None:
    params = pack({**AVERAGE, P.WIDTH: 5, P.MAP_WIDTH: 5})
    eight, nine, sixteen = (
        kernel_cycles(CHIP, Kernel.AVG_POOL, params, call(blocks=blocks), Work(2)) for blocks in (8, 9, 16)
    )
    straight = AVG_POOL["/for1/if0-/for0"].straight + AVG_POOL["/for1/if0-/for0/if0+"].straight + 10
    columns = (2, 3, 3, 3, 2)
    assert nine - eight == sum(straight + 2 * seen * 6 for seen in columns)
    assert nine == sixteen


def test_a_long_division_takes_nine_digits_of_each_group() -> None:
    wide = {**AVERAGE, P.COLUMN_ORIGIN: 0, P.WIDTH: 1, P.TAPS: 13, P.KERNEL_WIDTH: 10, P.MAP_WIDTH: 10}
    long = kernel_cycles(CHIP, Kernel.AVG_POOL, pack(wide), call(), Work(2))
    short = kernel_cycles(CHIP, Kernel.AVG_POOL, pack({**wide, P.TAPS: 12}), call(), Work(2))
    way = "/for1/if0-/for0/if0-"
    group = AVG_POOL[f"{way}/for0"].straight + 9 * 14 + 10
    division = AVG_POOL[way].straight + 2 * group - AVG_POOL["/for1/if0-/for0/if0+"].straight
    assert long - short == 4 + division  # one tap more to look for on the map


def test_a_maximum_on_the_map_takes_sixteen_pixels_at_once() -> None:
    params = pack({P.WIDTH: 40, P.COLUMN_STRIDE: 2, P.MAP_WIDTH: 81, P.TAPS: 3, P.KERNEL_WIDTH: 3})
    straight = {way: code.straight for way, code in MAX_POOL.items()}
    # two loads and a shuffle for four pixels, and one maximum for eight
    step = straight["/for1/for1"] + 3 * 3 * 6 + 10
    row = 2 * straight["/for1/for2"] + 2 * 6 + 3 * step + straight["/for1"]
    expected = 40 + straight[""] + (3 * 4 + 10) + row
    assert kernel_cycles(CHIP, Kernel.MAX_POOL, params, call(), Work(3)) == expected


def pool_parameters(**values: int) -> npt.NDArray[np.int32]:
    return pack({P[name.upper()]: value for name, value in values.items()})


def test_a_pool_divides_a_row_at_the_map() -> None:
    def steps(**values: int) -> PoolSteps:
        return pool_steps(pool_parameters(**values))

    row = {"kernel_width": 3, "column_origin": -1, "map_width": 40}
    # pixel 0 reaches beyond the left, pixel 39 beyond the right: 4 to 38 lie inside and behind a whole group
    assert steps(**row, width=40, column_stride=1) == PoolSteps(bordering=2, together=3)
    assert steps(**row, width=20, column_stride=2) == PoolSteps(bordering=1, together=1)
    assert steps(**row, width=13, column_stride=3) == PoolSteps(bordering=4, together=0)
    assert steps(**(row | {"map_width": 12}), width=12, column_stride=1) == PoolSteps(bordering=3, together=0)
    assert steps(**(row | {"map_width": 13}), width=13, column_stride=1) == PoolSteps(bordering=2, together=1)
    whole = {"kernel_width": 7, "column_origin": 0, "map_width": 7, "width": 1, "column_stride": 1}
    assert steps(**whole) == PoolSteps(bordering=1, together=0)


def test_an_average_divides_a_row_at_its_borders() -> None:
    def steps(**values: int) -> AverageSteps:
        return average_steps(pool_parameters(taps=3, kernel_width=3, **values))

    padded = {"column_origin": -1, "column_stride": 1}
    assert steps(**padded, width=35, map_width=35) == AverageSteps(True, (2, 0), (2, 2))
    assert steps(**padded, width=17, map_width=17) == AverageSteps(True, (1, 0), (2, 2))
    assert steps(**padded, width=5, map_width=5) == AverageSteps(True, (0, 0), (2, 3, 3, 3, 2))
    assert steps(column_origin=0, column_stride=2, width=3, map_width=7) == AverageSteps(True, (0, 0), (3, 3, 3))
    scaled = steps(**padded, width=35, map_width=35, denominator_shift=9)
    assert scaled == AverageSteps(False, (0, 0), (2, *[3] * 33, 2))


@pytest.mark.parametrize("width", range(1, 70))
def test_the_long_steps_of_an_average_have_as_few_surplus_pixels_as_a_convolution(width: int) -> None:
    assert width <= computed_pixels(width, AVERAGE_STEPS) <= width + SURPLUS_PIXELS


def test_no_kernel_reaches_the_peak() -> None:
    params = pack({P.WIDTH: 56, P.TAPS: 3})
    cycles = kernel_cycles(CHIP, Kernel.CONV, params, call(blocks=8), Work(3, 8 * 8 * 9))
    macs = 56 * 64 * 64 * 9
    assert 0.8 < macs / (cycles * CHIP.mac_per_cycle) < 0.95


def scaled_parameters(**values: int) -> npt.NDArray[np.int32]:
    common = {"width": 44, "taps": 3, "edge_blocks": 4, "rescaling_words": 24}
    return pool_parameters(**(common | values))


def test_a_scaled_convolution_keeps_sums_and_makes_four_pixels_int8_at_once() -> None:
    params, pieces = scaled_parameters(), PIECES[Kernel.SCALED_CONV]
    kept = kernel_cycles(CHIP, Kernel.CONV, params, call(blocks=2, last=0), Work(2, 12))
    around = 40 + pieces[""].straight + 10 + kept
    # 44 pixels are a step of 28 and one of 16, which have 7 and 4 groups with 11 products each
    block = pieces["/if0+/for0/for0"].straight + 10
    step = pieces["/if0+/for0"].straight + 2 * block
    expected = around + pieces["/if0+"].straight + 2 * step + 2 * (7 + 4) * 11
    assert kernel_cycles(CHIP, Kernel.SCALED_CONV, params, call(blocks=2), Work(2, 12)) == expected
    assert kernel_cycles(CHIP, Kernel.SCALED_CONV, params, call(blocks=2, last=0), Work(2, 12)) == around


def test_zero_points_around_the_map_cost_columns_of_each_row_and_sums_of_each_missing_one() -> None:
    pieces = PIECES[Kernel.SCALED_CONV]

    def more(rows: int, **values: int) -> int:
        both = (scaled_parameters(**values), scaled_parameters())
        among, without = (kernel_cycles(CHIP, Kernel.SCALED_CONV, each, call(), Work(rows)) for each in both)
        return among - without

    # two columns of four blocks in two rows, after a look at each of three taps
    look, column = pieces["/for0"].straight, pieces["/for0/for0"].straight + 4 + 10
    assert more(2, edge_left=1, edge_right=1) == 3 * look + 2 * 2 * column
    # in each of two steps; sums of four pixels take four stores
    taps = 2 * 3 * (pieces["/if0+/for0/for0/for0"].straight + 10)
    assert more(3, rescaling_words=48) == taps
    assert more(2, rescaling_words=48) == taps + (7 + 4) * 4


def test_zero_points_of_a_matrix_product_cost_sums_of_both_operands_and_a_pass_over_the_result() -> None:
    params, blocks, depth = pack({P.WIDTH: 44, P.DEPTH: 3}), 2, 3
    pieces, plain = PIECES[Kernel.SCALED_MATMUL], PIECES[Kernel.MATMUL]
    whole, kept = (
        kernel_cycles(CHIP, Kernel.CONV, pack({P.WIDTH: 44, P.TAPS: 1}), call(blocks=2, last=last), Work(1, 6))
        for last in (1, 0)
    )
    head = pieces[""].straight - plain[""].straight
    bias = blocks * (pieces["/for2"].straight - plain["/for2"].straight + depth + 10)
    # 44 pixels are a step of 28 and one of 16, which have 7 and 4 groups; 13 lane-wise operations in each block
    group = pieces["/for3/for0"].straight + (depth - 1) + 10 + blocks * 13 + 10
    made = 2 * pieces["/for3"].straight + 11 * group
    both = Kernel.SCALED_MATMUL, Kernel.MATMUL
    scaled, binary = (kernel_cycles(CHIP, kernel, params, call(blocks=2), Work(1)) for kernel in both)
    assert scaled - binary == kept - whole + head + bias + made


def test_scaled_rows_take_their_products() -> None:
    params = pack({P.BLOCK_STRIDE: 20})
    for kernel, step in ((Kernel.SCALED_ADD, 20), (Kernel.SCALED_REQUANTISE, 12), (Kernel.SCALED_MULTIPLY, 28)):
        start = 40 + PIECES[kernel][""].straight + 10
        assert kernel_cycles(CHIP, kernel, params, call(blocks=2), Work(2)) == start + 3 * step


def test_other_rows_of_pairs_take_what_their_loop_does() -> None:
    """Narrowings and stores share a slot; an extremum is bound by its lane-wise operations."""
    params = pack({P.BLOCK_STRIDE: 20})
    for kernel, step in ((Kernel.MULTIPLY, 10), (Kernel.MAXIMUM, 3), (Kernel.MINIMUM, 3)):
        start = 40 + PIECES[kernel][""].straight + 10
        assert kernel_cycles(CHIP, kernel, params, call(blocks=2), Work(2)) == start + 3 * step
    both = [kernel_cycles(CHIP, kernel, params, call(), Work(2)) for kernel in (Kernel.ADD, Kernel.SUBTRACT)]
    assert both[0] == both[1]
