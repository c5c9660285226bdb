"""Results for people to read, on standard output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.placement import Placement

LARGEST_SHOWN = 5
WHERE = {"array": "on the array", "host": "on the host", "compiler": "when compiling"}


def print_outputs(outputs: Mapping[str, npt.NDArray[Any]]) -> None:
    """One line per output with its range, and where its largest values are."""
    for name, array in outputs.items():
        flat = array.reshape(-1)
        print(f"{name}: {array.dtype}{list(array.shape)}, from {flat.min():g} to {flat.max():g}")
        order = np.argsort(-flat.astype(np.float64), kind="stable")[:LARGEST_SHOWN]
        print("  largest: " + ", ".join(f"[{index}] {flat[index]:g}" for index in order))


def described_outputs(outputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, dict[str, Any]]:
    """What `--json` says of outputs: their shapes and types."""
    return {name: {"shape": list(array.shape), "type": str(array.dtype)} for name, array in outputs.items()}


def print_placements(nodes: Sequence[Placement]) -> None:
    """One line per node with its place and the reason, then how many there are of each."""
    widths = [max((len(text) for text in column), default=0) for column in zip(*map(_columns, nodes), strict=True)]
    for node in nodes:
        texts = (text.ljust(width) for text, width in zip(_columns(node), widths, strict=True))
        print("  ".join((*texts, node.reason)).rstrip())
    counts = [f"{sum(node.place == place for node in nodes)} {where}" for place, where in WHERE.items()]
    print(f"{len(nodes)} nodes: {', '.join(counts)}")


def _columns(node: Placement) -> tuple[str, ...]:
    return node.op, node.node, WHERE[node.place]


def print_rules(rules: Mapping[str, Sequence[str]]) -> None:
    """Every operator with the rules a node of it has to keep."""
    for name, texts in rules.items():
        print("\n    ".join((name, *texts)))
