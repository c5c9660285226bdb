"""Networks that only move elements, with what numpy says of them: chains of operators on tensors of any bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper

Array = npt.NDArray[Any]
DTYPES = (np.float32, np.int32, np.uint32, np.int64, np.float64)
MOST_ELEMENTS = 600


@dataclass
class Mover:
    """A model under construction and the values of all its tensors."""

    draw: st.DrawFn
    dtype: type[Any]
    nodes: list[onnx.NodeProto] = field(default_factory=list[onnx.NodeProto])
    constants: dict[str, Array] = field(default_factory=dict[str, Array])
    inputs: dict[str, Array] = field(default_factory=dict[str, Array])
    values: dict[str, Array] = field(default_factory=dict[str, Array])

    def any_bits(self, shape: tuple[int, ...]) -> Array:
        """Every word is drawn, so that there are NaNs of all kinds."""
        rng = np.random.default_rng(self.draw(st.integers(0, 2**32)))
        size = np.dtype(self.dtype).itemsize * int(np.prod(shape))
        return rng.integers(0, 256, size, np.uint8).view(self.dtype).reshape(shape)

    def constant(self, values: Array) -> str:
        """The name of a constant."""
        self.constants[name := f"c{len(self.constants)}"] = values
        return name

    def node(self, operator: str, inputs: list[str], value: Array, **attributes: Any) -> str:
        """The name of a result."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        self.values[name] = value
        return name

    def step(self, name: str) -> str:
        """One more operator on a tensor."""
        steps: list[Callable[[str, Array], str]] = [
            self._transpose, self._slice, self._tile, self._pad, self._concat, self._flatten, self._gather, self._where
        ]  # fmt: skip
        return self.draw(st.sampled_from(steps))(name, self.values[name])

    def _transpose(self, name: str, x: Array) -> str:
        order = self.draw(st.permutations(range(x.ndim)))
        return self.node("Transpose", [name], x.transpose(order), perm=list(order))

    def _slice(self, name: str, x: Array) -> str:
        axis = self.draw(st.integers(0, x.ndim - 1))
        size = x.shape[axis]
        step = self.draw(st.sampled_from((-2, -1, 1, 2)))
        first = self.draw(st.integers(0, size - 1))
        end = first + step * self.draw(st.integers(1, size))
        end = end if end >= 0 else -size - 1
        index = [slice(None)] * x.ndim
        index[axis] = slice(first, None if end < 0 else end, step)
        bounds = [self.constant(np.array([number])) for number in (first, end, axis, step)]
        return self.node("Slice", [name, *bounds], x[tuple(index)])

    def _tile(self, name: str, x: Array) -> str:
        repeats = [self.draw(st.integers(1, 2)) for _ in x.shape]
        if x.size * int(np.prod(repeats)) > MOST_ELEMENTS:
            repeats = [1] * x.ndim
        return self.node("Tile", [name, self.constant(np.array(repeats))], np.tile(x, repeats))

    def _pad(self, name: str, x: Array) -> str:
        pads = [(self.draw(st.integers(0, 1)), self.draw(st.integers(0, 2))) for _ in x.shape]
        value = self.any_bits(())
        names = [
            self.constant(np.array([*(low for low, _ in pads), *(high for _, high in pads)])),
            self.constant(value),
        ]
        padded = np.zeros([size + low + high for size, (low, high) in zip(x.shape, pads, strict=True)], x.dtype)
        # not np.pad, which passes a number through Python and may lose bits of a NaN
        padded.reshape(-1).view(np.uint8).reshape(-1, x.itemsize)[:] = np.frombuffer(value.tobytes(), np.uint8)
        padded[tuple(slice(low, low + size) for size, (low, _) in zip(x.shape, pads, strict=True))] = x
        return self.node("Pad", [name, *names], padded)

    def _concat(self, name: str, x: Array) -> str:
        axis = self.draw(st.integers(0, x.ndim - 1))
        shape = tuple(self.draw(st.integers(1, 3)) if number == axis else size for number, size in enumerate(x.shape))
        other = self.any_bits(shape)
        match self.draw(st.sampled_from(("input", "constant", "itself"))):
            case "input":
                names = [name, f"x{len(self.inputs)}"]
                self.inputs[names[1]] = other
            case "constant":
                names = [self.constant(other), name]
            case _:
                other, names = x, [name, name]
        parts = [x, other] if names[0] == name else [other, x]
        return self.node("Concat", names, np.concatenate(parts, axis), axis=axis)

    def _flatten(self, name: str, x: Array) -> str:
        axis = self.draw(st.integers(0, x.ndim))
        return self.node("Flatten", [name], x.reshape(int(np.prod(x.shape[:axis])), -1), axis=axis)

    def _gather(self, name: str, x: Array) -> str:
        axis = self.draw(st.integers(0, x.ndim - 1))
        taken = st.lists(st.integers(-x.shape[axis], x.shape[axis] - 1), min_size=1, max_size=4)
        indices = np.array(self.draw(taken))
        return self.node("Gather", [name, self.constant(indices)], np.take(x, indices, axis), axis=axis)

    def _where(self, name: str, x: Array) -> str:
        rng = np.random.default_rng(self.draw(st.integers(0, 2**32)))
        mask, other = rng.random(x.shape[-1:]) < 0.5, self.any_bits(x.shape[-1:])
        names = [self.constant(mask), name, self.constant(other)]
        return self.node("Where", names, np.where(mask, x, other))


@dataclass(frozen=True)
class Moved:
    """A model, inputs for it, and the outputs that numpy gives."""

    model: onnx.ModelProto
    inputs: dict[str, Array]
    outputs: dict[str, Array]


@st.composite
def moving_networks(draw: st.DrawFn) -> Moved:
    """A chain of one to four movers; perhaps what lies between is a result, too."""
    mover = Mover(draw, draw(st.sampled_from(DTYPES)))
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    mover.inputs["x0"] = mover.values["x0"] = mover.any_bits(shape)
    names = ["x0"]
    for _ in range(draw(st.integers(1, 4))):
        names.append(mover.step(names[-1]))
    results = dict.fromkeys([names[-1], draw(st.sampled_from(names[1:]))])
    return Moved(_model(mover, list(results)), mover.inputs, {name: mover.values[name] for name in results})


def _model(mover: Mover, results: list[str]) -> onnx.ModelProto:
    element = helper.np_dtype_to_tensor_dtype(np.dtype(mover.dtype))
    inputs = [helper.make_tensor_value_info(name, element, value.shape) for name, value in mover.inputs.items()]
    outputs = [helper.make_tensor_value_info(name, element, mover.values[name].shape) for name in results]
    constants = [numpy_helper.from_array(value, name) for name, value in mover.constants.items()]
    graph = helper.make_graph(mover.nodes, "moves", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
