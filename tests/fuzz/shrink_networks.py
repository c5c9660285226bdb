"""
Smaller networks of the `bsr` level: for a network given as data, those that are one step simpler.

Steps remove a layer and hang what used it on its operand, cut outputs, and bring a number closer to its default. Some
steps give no valid network (shapes no longer fit); whoever asks for a failure finds out by building the module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, replace
from typing import Any

from bsr_networks import Append, Concat, Interleave, Layer, Network
from strategies_bsr import Place

OPERANDS = ("source", "left", "right", "skip")
SMALLER = ("outputs", "channels", "height", "width")


def _operands(layer: Layer) -> list[int]:
    """The values that a layer reads, as numbers."""
    if isinstance(layer, Append | Concat | Interleave):
        return list(layer.sources)
    return [number for name in OPERANDS if (number := getattr(layer, name, None)) is not None]


def _rewired(layer: Layer, new: Callable[[int], int], weights: Callable[[int], int]) -> Layer:
    if isinstance(layer, Append | Concat | Interleave):
        return replace(layer, sources=tuple(new(number) for number in layer.sources))
    changes = {name: new(getattr(layer, name)) for name in OPERANDS if getattr(layer, name, None) is not None}
    if getattr(layer, "weights_of", None) is not None:
        changes["weights_of"] = weights(layer.weights_of)  # type: ignore[union-attr]
    return replace(layer, **changes)


def _without_layer(network: Network, index: int) -> Network:
    """Every use of a layer becomes one of its first operand."""
    removed = len(network.inputs) + index
    instead = _operands(network.layers[index])[0]

    def new(number: int) -> int:
        number = number % (len(network.inputs) + len(network.layers))
        number = instead if number == removed else number
        return number - (number > removed)

    def weights(layer: int) -> int:
        return layer - (layer > index)

    layers = (*network.layers[:index], *network.layers[index + 1 :])
    return replace(
        network,
        layers=tuple(_rewired(layer, new, weights) for layer in layers),
        outputs=tuple(dict.fromkeys(new(number) for number in network.outputs)),
    )


def _simpler_numbers(part: Any) -> Iterator[Any]:
    """An input or a layer with one field changed."""
    for field in fields(part):
        value = getattr(part, field.name)
        if field.name in SMALLER:
            yield from (
                replace(part, **{field.name: less}) for less in (1, 8, value // 2, value - 1) if 0 < less < value
            )
        elif field.name not in (*OPERANDS, "sources") and field.default is not MISSING and value != field.default:
            yield replace(part, **{field.name: field.default})
        elif field.name in ("kernel", "strides", "pads", "dilations"):
            least = 0 if field.name == "pads" else 1
            for axis, size in enumerate(value):
                for less in {least, size - 1} if size > least else ():
                    yield replace(part, **{field.name: (*value[:axis], less, *value[axis + 1 :])})


def smaller_networks(network: Network) -> Iterator[Network]:
    """Every network one step below this one, the largest steps first."""
    for index in reversed(range(len(network.layers))):
        if len(network.layers) > 1:
            yield _without_layer(network, index)
    for index in range(len(network.outputs)):
        if len(network.outputs) > 1:
            yield replace(network, outputs=(*network.outputs[:index], *network.outputs[index + 1 :]))
    for name in ("inputs", "layers"):
        parts = getattr(network, name)
        for index, part in enumerate(parts):
            for simpler in _simpler_numbers(part):
                yield replace(network, **{name: (*parts[:index], simpler, *parts[index + 1 :])})


def smaller_places(place: Place) -> Iterator[Place]:
    """Chips with one override less, and smaller meshes."""
    for index in range(len(place.overrides)):
        yield replace(place, overrides=(*place.overrides[:index], *place.overrides[index + 1 :]))
    rows, columns = (int(size) for size in place.target[5:].split("x")) if place.target.startswith("mesh") else (9, 9)
    for less in ((1, 1), (rows, 1), (1, columns), (rows - 1, columns), (rows, columns - 1)):
        if less[0] * less[1] and less[0] + less[1] < min(rows + columns, 9):
            yield replace(place, target=f"mesh-{less[0]}x{less[1]}")
