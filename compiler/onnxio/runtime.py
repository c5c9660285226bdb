"""Run a model in ONNX Runtime on the host, quietly and the same way every time."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
import onnx

from compiler.errors import InputError

# The package carries no types, so it is one untyped name here and nowhere else.
_runtime: Any = importlib.import_module("onnxruntime")
_states: Any = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
_REFUSALS = (
    _states.Fail,
    _states.InvalidGraph,
    _states.InvalidArgument,
    _states.NotImplemented,
    _states.RuntimeException,
    RuntimeError,
)
_FATAL_ONLY = 4

Session = Any
Arrays = dict[str, npt.NDArray[Any]]


def open_session(model: onnx.ModelProto | bytes, *, threads: int = 0) -> Session:
    """A quiet session on the CPU without graph rewriting: every node runs as it is written."""
    options = _runtime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY  # errors are raised, with their text
    options.graph_optimization_level = _runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    data = model if isinstance(model, bytes) else model.SerializeToString()
    try:
        return _runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except _REFUSALS as error:
        raise InputError(f"ONNX Runtime cannot run this model: {error}") from error


def run_session(
    session: Session, inputs: Mapping[str, npt.NDArray[Any]], outputs: Sequence[str] | None = None
) -> Arrays:
    """The named outputs (all of them by default) for these inputs."""
    names = list(outputs) if outputs is not None else [value.name for value in session.get_outputs()]
    if not names:
        return {}  # to ONNX Runtime an empty list means all of them
    try:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))
    except _REFUSALS as error:
        raise InputError(f"ONNX Runtime cannot run this model on these inputs: {error}") from error
