"""What a kernel call takes is read from the words that came from the weights argument."""

import numpy as np
import numpy.typing as npt
import pytest
from simulate.tiny import CHIP, acquire, core, host, release, run, task, wait

from compiler.kernels.cycles import Work, kernel_cycles
from compiler.kernels.parameters import PARAMETER_WORDS, Kernel, Parameter, pack
from compiler.kernels.semantics import Call
from compiler.kernels.weight_chunk import encode_chunk
from compiler.simulate import Simulation, SimulationError

P = Parameter
PARAMETERS = pack({P.WIDTH: 8, P.TAPS: 3, P.BLOCKS: 2, P.ROW_STEP: 1})
DECLARATION = f"func.func private @{Kernel.CONV.symbol}(memref<128xi32>, memref<4096xi32>, " + ", ".join(["index"] * 8)
CALL = f"""
func.call @{Kernel.CONV.symbol}(%parameters, %arena, %c0, %c0, %c0, %c2, %c1, %c1, %c0, %c1)
  : (memref<128xi32>, memref<4096xi32>, index, index, index, index, index, index, index, index) -> ()
"""
TABLE = """
%row = arith.constant 300 : i32
%border = arith.constant -1 : i32
%w64 = arith.constant 64 : index
%w65 = arith.constant 65 : index
%w66 = arith.constant 66 : index
memref.store %border, %parameters[%w64] : memref<128xi32>
memref.store %row, %parameters[%w65] : memref<128xi32>
memref.store %row, %parameters[%w66] : memref<128xi32>
"""


def chunk(entries: int) -> npt.NDArray[np.int32]:
    """Two output blocks, three taps; each list of the second tap holds `entries` blocks, of the first tap one."""
    lengths = [1, entries, 0, 1, entries, 0]
    pointers = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    total = int(pointers[-1])
    values = np.zeros((total, 8, 8), np.int8)
    return encode_chunk(pointers, np.zeros(16, np.int32), np.zeros(total, np.int32), values)


def simulate_convolution(entries: int) -> Simulation:
    """Parameters and weights from DDR through the MemTile to the core, one kernel call, one word out."""
    weights = chunk(entries)
    size = weights.size
    words = np.concatenate([PARAMETERS, weights])
    locks = '%there = aie.lock(%memtile, 0) {init = 0 : i32, sym_name = "there"}\n'
    program = acquire("parameters_full") + acquire("weights_full") + TABLE + CALL + release("output_full")
    sequence = (
        task("a", "%shim, MM2S, 1", f"%weights, 0, {words.size}")
        + task("b", "%memtile, S2MM, 5", f"%m, 100, {words.size} | release %there")
        + task("c", "%memtile, MM2S, 0", f"acquire %there | %m, 100, {PARAMETER_WORDS} | release %there")
        + task("d", "%core, S2MM, 0", f"%parameters, 0, {PARAMETER_WORDS} | release %parameters_full")
        + task("e", "%memtile, MM2S, 4", f"acquire %there | %m, {100 + PARAMETER_WORDS}, {size} | release %there")
        + task("f", "%core, S2MM, 1", f"%arena, 0, {size} | release %weights_full")
        + task("g", "%core1, S2MM, 1", f"%arena1, 0, {size}")
        + task("h", "%core, MM2S, 0", "acquire %output_full | %arena, 4000, 1")
        + task("i", "%memtile, S2MM, 0", "%m, 0, 1", token=True)
        + wait("i")
    )
    declaration = f"{DECLARATION})\n"
    return run(locks + declaration + core(program), sequence, host(words))


@pytest.mark.parametrize("entries", [0, 1, 5])
def test_a_convolution_takes_as_long_as_its_lists(entries: int) -> None:
    simulation = simulate_convolution(entries)
    call = Call(weights=0, out=0, partial=0, blocks=2, first=1, last=1, row=0)
    # the first tap is a border, so its blocks do not count
    expected = kernel_cycles(CHIP, Kernel.CONV, PARAMETERS, call, Work(rows=2, entries=2 * entries))
    others = 1 + 3 + 1  # the second acquire (the first was before the array's first word), three stores, the release
    (only,) = simulation.cores
    assert only.times.compute == expected + others
    assert simulation.segments[0].kind == "conv"
    # 8 pixels, 8x8 products per block of the two lists that count
    assert simulation.segments[0].macs == 8 * 64 * 2 * entries
    # all but the one call is getting words to the core and out of it
    assert simulation.segments[0].barrier_cycles == simulation.array_cycles - expected


def test_unknown_parameters_are_refused() -> None:
    program = core(acquire("parameters_full") + CALL)
    sequence = task("c", "%memtile, MM2S, 0", f"%m, 100, {PARAMETER_WORDS}")
    sequence += task("d", "%core, S2MM, 0", f"%parameters, 0, {PARAMETER_WORDS} | release %parameters_full", token=True)
    with pytest.raises(SimulationError, match="before a parameter block came from the weights argument"):
        run(f"{DECLARATION})\n" + program, sequence + wait("d"))


def test_weights_overwritten_by_activations_are_refused() -> None:
    words = np.concatenate([PARAMETERS, chunk(1)])
    program = core(acquire("parameters_full") + CALL)
    sequence = (
        task("a", "%shim, MM2S, 1", f"%weights, 0, {words.size}")
        + task("b", "%memtile, S2MM, 5", f"%m, 100, {words.size}", token=True)
        + wait("b")
        + task("c", "%memtile, MM2S, 0", f"%m, 100, {PARAMETER_WORDS}", "%m, 0, 64")
        + task("d", "%core, S2MM, 0", f"%parameters, 0, {PARAMETER_WORDS}", "%arena, 0, 64 | release %parameters_full")
    )
    with pytest.raises(SimulationError, match="which did not come from the weights argument"):
        run(f"{DECLARATION})\n" + program, sequence, host(words))


def test_a_kernel_without_a_model_is_refused() -> None:
    program = core(acquire("parameters_full") + CALL.replace("@conv", "@sort"))
    sequence = task("c", "%memtile, MM2S, 0", f"%m, 100, {PARAMETER_WORDS}")
    sequence += task("d", "%core, S2MM, 0", f"%parameters, 0, {PARAMETER_WORDS} | release %parameters_full")
    with pytest.raises(SimulationError, match="calls 'sort', which the cycle model does not know"):
        run(f"{DECLARATION})\n".replace("@conv", "@sort") + program, sequence)
