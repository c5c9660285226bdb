"""When and where the weights of a launch come: in which slot they begin, and what may come before its turn."""

from __future__ import annotations

from bsr_levels import lowered
from bsr_networks import Add, Conv, Input, Layer, Network
from strategies_bsr import Place

from compiler.hardware.chip import chip_named
from compiler.hardware.routes import CORE_INPUT, CORE_WEIGHTS
from compiler.kernels.parameters import PARAMETER_WORDS, Parameter
from compiler.protocol.image import Image
from compiler.protocol.launch import LaunchWriter
from compiler.protocol.weight_streams import weights_come_early
from dialects import mem


def first_slots(target: str, layers: tuple[Layer, ...], shape: Input) -> list[tuple[bool, int, int]]:
    """Of each launch: whether it is DEEP, the first slot, and tasks that bring weights to one core."""
    chip = chip_named(target)
    module = dict(lowered(Network(3, (shape,), layers), Place(target)))["mem"]
    writer, found = LaunchWriter(chip, Image(), 0), list[tuple[bool, int, int]]()
    for op in module.walk():
        if isinstance(op, mem.LaunchOp):
            made = writer.tasks(op, "segment")
            lock = [task.chain[0].acquire for task in made.early if task.channel in (CORE_INPUT, CORE_WEIGHTS)]
            weights = [acquired for acquired in lock if acquired is not None and acquired[0] == "weights_empty_0_2"]
            parameters = made.loaded[0][0].reshape(-1, PARAMETER_WORDS)[0]
            found.append((op.deep, int(parameters[Parameter.WEIGHT_FIRST]), len(weights)))
    return found


def test_deep_launches_begin_with_the_first_slot() -> None:
    # the first one takes a single chunk; what lies between the others only gathers their map
    found = first_slots("mesh-2x2", (Conv(0, 64), Conv(1, 512), Conv(2, 512)), Input(64, 7, 7))
    assert found == [(False, 0, 1), (True, 0, 1), (True, 0, 0), (True, 0, 1)]


def test_others_go_on_after_the_last_one() -> None:
    # one chunk each: the second launch takes the second slot
    assert first_slots("mesh-1x1", (Conv(0, 8), Conv(1, 8)), Input(8, 12, 12)) == [(False, 0, 1), (False, 1, 1)]


def test_weights_of_odd_rows_come_early_where_no_map_has_to_pass() -> None:
    layers = (Conv(0, 768), Conv(0, 768), Add(1, 2), Conv(3, 768))
    module = dict(lowered(Network(3, (Input(768, 7, 7),), layers), Place("mesh-2x2")))["mem"]
    launches = [op for op in module.walk() if isinstance(op, mem.LaunchOp)]
    assert [op.gathers is not None for op in launches] == [False, False, True, False]
    # the first ones find their map in DDR, the last one finds it gathered
    assert [weights_come_early(op) for op in launches if op.rings] == [False, False, True]
