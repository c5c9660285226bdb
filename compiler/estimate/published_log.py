"""
The published logs as layers: a table with one line per layer and run, its tile shapes, and the seconds it reports.

The logs give the shapes of tiles, not how often they run. Each reported time is a whole multiple of what one run or one
load takes; that multiple is the schedule, and it is read from one time and has to explain the others: `runs` from
WRITEFM explains LOADFM and COMP; `loads` comes from LOADWM, and LOADW has to be a sum of whole sub-volumes.
"""

from __future__ import annotations

import ast
import csv
import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from compiler.estimate.published import (
    BYTES_PER_SECOND,
    CONCATENATION,
    CONVOLUTION,
    PublishedLayer,
    Shape,
    Weights,
    broadcast_weights_seconds,
    load_weights_seconds,
    write_map_seconds,
)

INPUT = "data"
NETWORKS = {"Res": "ResNet-50", "Inc": "Inception-v3", "VGG": "VGG-16"}
STEM_CHANNELS = 8
"""The first convolution, of 3 channels in 8, is never pruned."""


@dataclass(frozen=True)
class Reported:
    """Seconds of one layer as printed: whole components, over all runs."""

    layer: float
    load_weights: float
    broadcast_weights: float
    load_map: float
    write_map: float
    compute: float


@dataclass(frozen=True)
class LoggedLayer:
    """A line of the logs. `layer` is None for lines that compute nothing: the input, and concatenations in memory."""

    network: str
    array: int
    sparse: bool
    layer: PublishedLayer | None
    moved: float
    """LOAD and WRITE."""
    reported: Reported


def _numbers(text: str) -> list[int]:
    return cast("list[int]", ast.literal_eval(text))


def _shape(text: str) -> Shape:
    _, rows, columns, channels = _numbers(text)
    return rows, columns, channels


def _tiles(whole: Weights, tile: Weights) -> int:
    """Core tiles in what a MemTile holds."""
    return whole.outputs // tile.outputs * (whole.inputs // tile.inputs)


def _schedule(layer: PublishedLayer, in_memory: int, seconds: Reported) -> PublishedLayer:
    """The layer with the multiples that its times are of one run, one load, one of `in_memory` tiles in a MemTile."""
    runs = round(seconds.write_map / write_map_seconds(layer))
    if layer.weights is None:
        return replace(layer, runs=runs)
    parameters = broadcast_weights_seconds(replace(layer, loads=0))
    once = broadcast_weights_seconds(replace(layer, loads=1)) - parameters
    loads = round((seconds.broadcast_weights - parameters) / once)
    memory_loads = next(
        candidate
        for candidate in _memory_loads(layer.weights.unified_bytes(layer.density), in_memory, loads, seconds)
        if _same(load_weights_seconds(replace(layer, memory_loads=candidate)), seconds.load_weights)
    )
    return replace(layer, runs=runs, loads=loads, memory_loads=memory_loads)


def _memory_loads(unified: int, in_memory: int, loads: int, seconds: Reported) -> Iterator[tuple[int, ...]]:
    """Ways to load the MemTiles: whole MemTile tiles, equal parts of them, or two parts."""
    size = seconds.load_weights * BYTES_PER_SECOND
    total = int(size / unified)
    for groups in range(max(1, total // in_memory), total // in_memory + 2):
        yield (in_memory,) * groups
    yield (total // loads,) * loads
    for first in range(total // 2, 0, -1):
        yield (first, total - first)


def _same(seconds: float, reported: float) -> bool:
    """Equal in the seven digits that the logs print, the last of which can be off by one."""
    return math.isclose(seconds, reported, rel_tol=1e-6)


def read_log(path: Path) -> Iterator[LoggedLayer]:
    """Every line of a gzipped log."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            names = ("layer_s", "LOADW_s", "LOADWM_s", "LOADFM_s", "WRITEFM_s", "COMP_s")
            reported = Reported(*(float(row[name]) for name in names))
            load, write = float(row["LOAD_s"]), float(row["WRITE_s"])
            array, operation, sparse = int(row["array"]), row["op"], row["mode"] == "sparse"
            layer = None
            if operation not in (INPUT, CONCATENATION):
                weights = Weights(*_numbers(row["core_W"])) if operation == CONVOLUTION else None
                core_input = _shape(row["core_I"])
                pruned = sparse and _shape(row["mem_I"])[2] > STEM_CHANNELS
                layer = PublishedLayer(
                    row["layer"],
                    operation,
                    array,
                    int(row["macs"]),
                    0.5 if pruned else 1.0,
                    weights,
                    core_input,
                    _shape(row["core_O"]),
                    _shape(row["mem_I"])[0],
                    _shape(row["mem_O"])[0],
                    runs=1,
                    loads=1,
                    memory_loads=(),
                    load_seconds=load,
                    write_seconds=write,
                )
                in_memory = _tiles(Weights(*_numbers(row["mem_W"])), weights) if weights is not None else 0
                layer = _schedule(layer, in_memory, reported)
            yield LoggedLayer(NETWORKS[row["net"]], array, sparse, layer, load + write, reported)
