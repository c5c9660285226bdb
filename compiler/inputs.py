"""Inputs of a network: their names and types, seeded values for them, and values given by the user."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.utils.hints import isa

from compiler.errors import InputError
from compiler.suggestions import unknown
from dialects.constants import dtype_of

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class NetworkInput:
    """Name, static shape and element type of one input."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def network_inputs(module: ModuleOp) -> tuple[NetworkInput, ...]:
    """The inputs of `@main` of an onnx module, in order."""
    main = next(op for op in module.ops if isinstance(op, FuncOp) and op.sym_name.data == "main")
    assert main.arg_attrs is not None, "the importer names every input in arg_attrs"
    found: list[NetworkInput] = []
    for argument_type, attributes in zip(main.function_type.inputs, main.arg_attrs, strict=True):
        assert isa(argument_type, TensorType), "inputs of a network are tensors"
        name, dtype = attributes.data["onnx.name"], dtype_of(argument_type.get_element_type())
        assert isinstance(name, StringAttr)
        if dtype is None:
            raise InputError(f"input '{name.data}' has elements of type {argument_type.get_element_type()}: no number")
        found.append(NetworkInput(name.data, argument_type.get_shape(), dtype))
    return tuple(found)


def seeded_inputs(inputs: tuple[NetworkInput, ...], seed: int) -> Arrays:
    """Normal values for floats, the whole range for integers; each input has a stream of its own, by its name."""
    values: dict[str, npt.NDArray[Any]] = {}
    for entry in inputs:
        generator = np.random.default_rng([seed, zlib.crc32(entry.name.encode())])
        if np.issubdtype(entry.dtype, np.floating):
            values[entry.name] = generator.standard_normal(entry.shape).astype(entry.dtype)
        elif np.issubdtype(entry.dtype, np.integer):
            limits = np.iinfo(entry.dtype)
            values[entry.name] = generator.integers(limits.min, limits.max, entry.shape, entry.dtype, endpoint=True)
        else:
            raise InputError(f"input '{entry.name}' has elements of type {entry.dtype}; give its values with --input")
    return values


def read_inputs(files: Mapping[str, Path], inputs: tuple[NetworkInput, ...]) -> Arrays:
    """The arrays of `.npy` files by input name, refused unless type and shape are those of the network."""
    expected = {entry.name: entry for entry in inputs}
    values: dict[str, npt.NDArray[Any]] = {}
    for name, path in files.items():
        if name not in expected:
            raise InputError(unknown("input", name, tuple(expected)))
        try:
            array = cast("npt.NDArray[Any]", np.load(path, allow_pickle=False))
        except (ValueError, EOFError) as error:
            raise InputError(f"'{path}' is not a .npy file: {error}") from error
        entry = expected[name]
        if array.shape != entry.shape or array.dtype != entry.dtype:
            raise InputError(
                f"'{path}' holds {array.dtype}{list(array.shape)}, input '{name}' is {entry.dtype}{list(entry.shape)}"
            )
        values[name] = array
    return values
