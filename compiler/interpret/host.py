"""Parts of a network that the host computes: a serialised model, arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from compiler.onnxio.host import HostModel


def run_host_model(model: bytes, inputs: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """
    The outputs of a model, in its order of inputs and outputs.

    Graph rewriting is off and one thread computes, so that a result depends on the model and its inputs alone.
    """
    host = HostModel(model, threads=1)
    return host.run(dict(zip(host.inputs, inputs, strict=True)))
