"""Results for people to read, on standard output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

LARGEST_SHOWN = 5


def print_outputs(outputs: Mapping[str, npt.NDArray[Any]]) -> None:
    """One line per output with its range, and where its largest values are."""
    for name, array in outputs.items():
        flat = array.reshape(-1)
        print(f"{name}: {array.dtype}{list(array.shape)}, from {flat.min():g} to {flat.max():g}")
        order = np.argsort(-flat.astype(np.float64), kind="stable")[:LARGEST_SHOWN]
        print("  largest: " + ", ".join(f"[{index}] {flat[index]:g}" for index in order))
