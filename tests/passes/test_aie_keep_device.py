"""What `aie-keep-device` leaves for upstream's tools, and what it refuses."""

from __future__ import annotations

import pytest
from interpret.array_programs import residual_program
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from compiler.errors import InputError
from compiler.registry import full_context
from dialects.aie import DeviceOp
from dialects.chip import CHIP, chip_attr, chip_of
from passes.aie_keep_device import AieKeepDevicePass


def test_the_device_is_left_and_nothing_else() -> None:
    module = residual_program("mesh-2x2").module.clone()
    device = next(op for op in module.body.ops if isinstance(op, DeviceOp))
    text = str(device)
    AieKeepDevicePass().apply(Context(), module)
    module.verify()
    (kept,) = module.body.ops
    assert str(kept) == text
    assert not module.attributes
    assert Parser(full_context(), str(module)).parse_module().is_structurally_equivalent(module)


def test_a_mesh_that_upstream_does_not_know_is_refused() -> None:
    module = residual_program("mesh-1x1").module.clone()
    chip = chip_of(module)
    module.attributes[CHIP] = chip_attr(type(chip)("mesh-5x6", 6, 5, "mesh_5x6", False))
    with pytest.raises(InputError, match="'mesh-5x6' has 5x6 cores and is no device of upstream's"):
        AieKeepDevicePass().apply(Context(), module)


def test_a_module_without_a_chip_is_refused() -> None:
    with pytest.raises(InputError, match=r"the module has no blockloom\.chip"):
        AieKeepDevicePass().apply(Context(), ModuleOp([]))
