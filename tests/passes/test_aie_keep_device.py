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


@pytest.mark.parametrize(
    ("upstream", "sequence", "device"),
    [
        (20250701, '"aiex.runtime_sequence"() <{sym_name = "sequence_0"}>', "aie.device(npu1) {"),
        (20251001, '"aiex.runtime_sequence"() <{sym_name = "sequence_0"}>', "aie.device(npu1) @array {"),
        (20260301, "aie.runtime_sequence @sequence_0(", "aie.device(npu1) @array {"),
        (20260701, "aie.runtime_sequence @sequence_0(", "aie.device(npu1) @array {"),
    ],
)
def test_older_versions_get_their_own_words(upstream: int, sequence: str, device: str) -> None:
    module = residual_program("npu1").module.clone()
    AieKeepDevicePass(upstream=upstream).apply(Context(), module)
    module.verify()
    text = str(module)
    assert sequence in text
    assert device in text
    context = full_context()
    context.allow_unregistered = True
    assert str(Parser(context, text).parse_module()) == text


def test_versions_that_cannot_be_written_are_refused() -> None:
    module = residual_program("npu1").module.clone()
    with pytest.raises(InputError, match="upstream of 20250101 has other devices; versions since 20250618"):
        AieKeepDevicePass(upstream=20250101).apply(Context(), module)
    first = next(op for op in module.body.ops if isinstance(op, DeviceOp))
    module.body.block.insert_op_after(first.clone(), first)
    with pytest.raises(InputError, match="has no names for devices, and this network has 2"):
        AieKeepDevicePass(upstream=20250701).apply(Context(), module)
