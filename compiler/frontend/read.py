"""A model file with its external data, read without trusting either."""

from __future__ import annotations

from math import prod
from pathlib import Path

import google.protobuf.message
import onnx
import onnx.external_data_helper
from onnx import helper

from compiler.errors import InputError
from compiler.frontend.structure import LARGEST_TENSOR, refuse_broken_text, refuse_wrong_sizes, stored_tensors
from compiler.onnxio.outline import is_outlined, outline_initialisers

LARGEST_FILE = (1 << 31) - 1
"""What protobuf can read, in bytes; larger models keep their weights as external data."""


def read_model(path: Path, *, outline: bool) -> onnx.ModelProto:
    """The model in a file, with external data from its own folder only; `outline` leaves large tensors out."""
    if not path.is_file():
        raise InputError(f"there is no file '{path}'; give the path of an .onnx model or zoo:NAME")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(
            f"'{path}' has {path.stat().st_size} bytes, and a protobuf has at most {LARGEST_FILE}; "
            "save the model with external data"
        )
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except google.protobuf.message.DecodeError as error:
        raise InputError(f"'{path}' is not an ONNX model or is damaged: {error}") from error
    if not len(model.graph.node) and not len(model.graph.output):
        raise InputError(f"'{path}' is not an ONNX model: it holds no graph")
    refuse_broken_text(model, f"'{path}'")
    folder = path.parent.resolve()
    for tensor in stored_tensors(model.graph):
        if onnx.external_data_helper.uses_external_data(tensor):
            _refuse_elsewhere(tensor, path, folder)
    if outline:
        outline_initialisers(model.graph)
    for tensor in stored_tensors(model.graph):
        if onnx.external_data_helper.uses_external_data(tensor) and not is_outlined(tensor):
            _load(tensor, path, folder)
    refuse_wrong_sizes(model.graph, f"'{path}'")
    return model


def _entries(tensor: onnx.TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _refuse_elsewhere(tensor: onnx.TensorProto, path: Path, folder: Path) -> None:
    """Refuse data that are not in a file in the model's folder."""
    location = _entries(tensor).get("location", "")
    try:
        file = (folder / location).resolve()
        inside, there = file.is_relative_to(folder), file.is_file()
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}': tensor '{tensor.name}' names no usable file for its data: {error}") from error
    if not inside:
        raise InputError(
            f"'{path}': tensor '{tensor.name}' keeps its data at '{location}', outside the model's folder; "
            "external data is read from that folder only, so move it there and save the model again"
        )
    if not there:
        raise InputError(
            f"'{path}': the data of tensor '{tensor.name}' should be in '{location}' beside the model, "
            "but there is no such file"
        )


def _load(tensor: onnx.TensorProto, path: Path, folder: Path) -> None:
    """Put the data of a tensor into it: as many bytes as its shape takes, or as the file has."""
    entries = _entries(tensor)
    offset, length = entries.get("offset", "0"), entries.get("length", "")
    try:
        item = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except KeyError as error:
        raise InputError(f"'{path}': tensor '{tensor.name}' has the unknown element type {error}") from error
    if not offset.isdecimal() or (length and not length.isdecimal()) or min(tensor.dims, default=0) < 0:
        raise InputError(
            f"'{path}': tensor '{tensor.name}' has shape {list(tensor.dims)} and external data at offset '{offset}' "
            f"of length '{length}'; all of these are whole numbers, at least 0"
        )
    wanted = min(prod(tensor.dims) * item, LARGEST_TENSOR)
    with (folder / entries["location"]).resolve().open("rb") as file:
        file.seek(int(offset))
        data = file.read(min(wanted, int(length)) if length else wanted)
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]
    tensor.raw_data = data
