"""Which kernel a network's convolutions get, by the widths of its maps and by what else is in the program."""

from dataclasses import replace

import numpy as np
import pytest

from compiler.hardware.chip import chip_named
from compiler.kernels.code_size import kernels_bytes
from compiler.kernels.parameters import Kernel
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.conv_steps import plan_with_steps, with_faster_steps
from compiler.scheduling.network import ArrayStep, HostStep, Network
from compiler.tiling.layer import Layer, MapShape

CHIP = chip_named("npu1")
USUAL, LONGER = Kernel.CONV, Kernel.CONV_20


def network_of(*widths: int, beside: Kernel | None = None) -> Network:
    """3x3 convolutions of maps of these widths, the host between them; perhaps a layer of another kernel."""
    maps: list[MapShape] = []
    steps: list[ArrayStep | HostStep] = []
    for number, width in enumerate(widths):
        shape = MapShape(32, width, width)
        layer = Layer(f"conv{number}", USUAL, shape, shape, (3, 3), pads=(1, 1, 1, 1), gamma=np.ones((4, 4), np.bool_))
        maps += [shape, shape]
        steps.append(ArrayStep(layer.name, ((layer, (2 * number,)),), 2 * number + 1))
        if number + 1 < len(widths):
            steps.append(HostStep(f"resize{number}", (2 * number + 1,), (2 * number + 2,)))
    if beside is not None:
        layer = Layer("last", beside, maps[-1], maps[-1], gamma=np.ones((4, 4), np.bool_))
        steps.append(ArrayStep(layer.name, ((layer, (len(maps) - 1,)),), len(maps)))
        maps.append(maps[-1])
    return Network(tuple(maps), tuple(steps), (len(maps) - 1,))


def kernels_of(network: Network) -> set[Kernel]:
    """What its layers call."""
    return {kernel for step in network.steps if isinstance(step, ArrayStep) for kernel in step.kernels}


@pytest.mark.parametrize(
    ("widths", "kernel"),
    [
        ((14,), USUAL),
        ((17,), LONGER),
        ((28,), USUAL),
        ((14, 17, 73), LONGER),
        ((14, 17, 71), USUAL),
        ((56, 28, 14), USUAL),
    ],
)
def test_all_layers_take_the_steps_that_suit_them_together(widths: tuple[int, ...], kernel: Kernel) -> None:
    assert kernels_of(with_faster_steps(network_of(*widths), CHIP)) == {kernel}


def test_a_kernel_that_calls_one_convolution_keeps_the_other_out_of_the_program() -> None:
    assert kernels_of(with_faster_steps(network_of(17, beside=Kernel.SCALED_CONV), CHIP)) == {USUAL, Kernel.SCALED_CONV}
    assert LONGER in kernels_of(with_faster_steps(network_of(17, beside=Kernel.REQUANTISE), CHIP))


def test_longer_steps_have_to_fit_the_program_memory() -> None:
    longer = kernels_bytes([LONGER])
    enough = replace(CHIP, program_memory_bytes=-(-longer * 4 // 3))
    assert kernels_of(with_faster_steps(network_of(17), enough)) == {LONGER}
    assert kernels_of(with_faster_steps(network_of(17), replace(enough, program_memory_bytes=longer))) == {USUAL}


def test_the_plan_is_that_of_the_network_with_its_kernels() -> None:
    network, plan = plan_with_steps(network_of(17), CHIP)
    assert kernels_of(network) == {LONGER}
    assert plan_faults(network, plan, CHIP) == []
