"""What `aie-configure-devices` adds to a network of one program, and what it and its operations refuse."""

from __future__ import annotations

import pytest
from interpret.array_programs import residual_program
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.utils.exceptions import VerifyException

from compiler.errors import InputError
from compiler.registry import full_context
from passes.aie_configure_devices import AieConfigureDevicesPass

MODULE = """
aie.device(npu1) @array_0 {{
  aie.runtime_sequence @sequence_0(%a: memref<4xi32>, %w: memref<8xi32>) {{
  }}
}}
aie.device({device}) @network {{
  aie.runtime_sequence @run_0(%a: memref<4xi32>, %w: memref<8xi32>) {{
    aiex.configure @{configured} {{
      aiex.run @{sequence}({arguments})
    }}
  }}
}}
"""
BOTH = "%a, %w) : (memref<4xi32>, memref<8xi32>"


def parsed(
    *, device: str = "npu1", configured: str = "array_0", sequence: str = "sequence_0", arguments: str = BOTH
) -> ModuleOp:
    text = MODULE.format(device=device, configured=configured, sequence=sequence, arguments=arguments)
    module = Parser(full_context(), text).parse_module()
    module.verify()
    return module


def test_a_network_of_one_program_is_configured_once() -> None:
    module = residual_program("npu1").module.clone()
    AieConfigureDevicesPass().apply(Context(), module)
    module.verify()
    assert str(module).count("aiex.configure @array {") == 1


def test_it_is_added_once() -> None:
    module = residual_program("npu1").module.clone()
    AieConfigureDevicesPass().apply(Context(), module)
    with pytest.raises(InputError, match="has a device @network already"):
        AieConfigureDevicesPass().apply(Context(), module)


def test_a_module_without_devices_is_refused() -> None:
    with pytest.raises(InputError, match=r"no aie\.device with a @main beside it"):
        AieConfigureDevicesPass().apply(Context(), ModuleOp([]))


def test_what_is_printed_is_parsed() -> None:
    module = parsed()
    assert Parser(full_context(), str(module)).parse_module().is_structurally_equivalent(module)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"configured": "array_7"}, "there is no device @array_7"),
        ({"device": "npu2"}, "@array_0 is for npu1, and this sequence for npu2"),
        ({"sequence": "sequence_7"}, "@array_0 has no sequence @sequence_7; it has @sequence_0"),
        (
            {"arguments": "%a) : (memref<4xi32>"},
            r"@sequence_0 takes \(memref<4xi32>, memref<8xi32>\), and is given \(memref<4xi32>\)",
        ),
    ],
)
def test_what_cannot_be_configured_or_run(changed: dict[str, str], message: str) -> None:
    with pytest.raises(VerifyException, match=message):
        parsed(**changed)
