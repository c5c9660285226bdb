"""Parts of a network that ONNX Runtime computes on the host: a serialised model, arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy.typing as npt

from compiler.onnxio.runtime import open_session


def run_host_model(model: bytes, inputs: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """
    The outputs of a model, in its order of inputs and outputs.

    Graph rewriting is off and one thread computes, so that a result depends on the model and its inputs alone.
    """
    session = open_session(model, threads=1)
    names = [argument.name for argument in session.get_inputs()]
    return cast("list[npt.NDArray[Any]]", session.run(None, dict(zip(names, inputs, strict=True))))
