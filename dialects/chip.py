"""
`blockloom.chip` on the module: every number of the chip, so that a printed module is self-contained.

    builtin.module attributes {blockloom.chip = {name = "npu1", columns = 4 : i64, …}} { … }
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from xdsl.dialects.builtin import DictionaryAttr, IntegerAttr, ModuleOp, StringAttr, i64
from xdsl.ir import Attribute

from compiler.errors import InputError
from compiler.hardware.chip import Chip

CHIP = "blockloom.chip"


def chip_attr(chip: Chip) -> DictionaryAttr:
    """A chip as a dictionary of strings and integers."""
    entries: dict[str, Attribute] = {}
    for name, value in asdict(chip).items():
        entries[name] = StringAttr(value) if isinstance(value, str) else IntegerAttr(int(value), i64)
    return DictionaryAttr(entries)


def chip_of(module: ModuleOp) -> Chip:
    """The chip a module was made for. Raises InputError if it names none, or a number that chips do not have."""
    attribute = module.attributes.get(CHIP)
    if not isinstance(attribute, DictionaryAttr):
        raise InputError(f"the module has no {CHIP}; convert-bsr-to-mem{{target=…}} writes it")
    known = {field.name: field.type for field in fields(Chip)}
    values: dict[str, Any] = {}
    for name, value in attribute.data.items():
        if name not in known:
            raise InputError(f"{CHIP} has '{name}', which no chip has; known: {', '.join(known)}")
        if isinstance(value, StringAttr):
            values[name] = value.data
        elif isinstance(value, IntegerAttr):
            number = value.value.data
            values[name] = bool(number) if known[name] == "bool" else number
    return Chip(**values)
