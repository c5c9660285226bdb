"""
Make chosen positions fit together: what the array's shifters and accumulators can do decides what remains.

Each tensor asks for the position its values suggest. A layer then demands:

    product   y = x · w + bias    shift = xpos + wpos − ypos in 0 … 16, bias within 24 bits
    sum       y = a + b           read shifts |apos − bpos| ≤ 7, write shift max(apos, bpos) − ypos in −7 … 25

Whatever violates this is made coarser, never finer, so nothing that fitted starts to saturate. Every change is recorded
with its reason. Positions only fall, so the loop ends: at positions that fit, or, where weights are so large that a
residual chain chases its own position downwards, at a refusal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.errors import InputError

COARSEST = -32
LARGEST_SHIFT = 16
LARGEST_READ_SHIFT = 7
LARGEST_LEFT_SHIFT = 7
LARGEST_WRITE_SHIFT = 25
BIAS_BITS = 24
"""The bias is exact in float32 as well, so ONNX Runtime computes the very same sum."""


@dataclass(frozen=True)
class Product:
    """A convolution or fully connected layer; tensors and weights are named by any number of the caller."""

    name: str
    source: int
    weights: int
    result: int
    largest_bias: float


@dataclass(frozen=True)
class Sum:
    """An element-wise addition."""

    name: str
    sources: tuple[int, ...]
    result: int


@dataclass(frozen=True)
class TensorProduct:
    """A matrix product of two tensors that are both computed."""

    name: str
    sources: tuple[int, int]
    result: int


@dataclass(frozen=True)
class Settled:
    """Positions that fit, and for each tensor or weight that had to change, why."""

    tensors: Mapping[int, int]
    weights: Mapping[int, int]
    tensor_reasons: Mapping[int, str]
    weight_reasons: Mapping[int, str]


def settle(
    tensors: Mapping[int, int],
    weights: Mapping[int, int],
    products: Sequence[Product],
    sums: Sequence[Sum],
    tensor_products: Sequence[TensorProduct] = (),
) -> Settled:
    """The finest positions, none finer than asked for, that every layer can work with."""
    state = _State(dict(tensors), dict(weights), {}, {})
    while any(
        [
            *map(state.fit_sum, sums),
            *map(state.fit_product, products),
            *map(state.fit_tensor_product, tensor_products),
        ]
    ):
        pass
    return Settled(state.tensors, state.weights, state.tensor_reasons, state.weight_reasons)


@dataclass
class _State:
    tensors: dict[int, int]
    weights: dict[int, int]
    tensor_reasons: dict[int, str]
    weight_reasons: dict[int, str]

    def fit_product(self, layer: Product) -> bool:
        """Lower what this layer cannot work with; whether anything was lowered."""
        before = (self.tensors[layer.result], self.weights[layer.weights])
        if layer.largest_bias > 0:
            room = BIAS_BITS - math.frexp(layer.largest_bias)[1]
            self._lower_weights(layer, room - self.tensors[layer.source], f"bias beyond {BIAS_BITS} bits")
        self._lower_weights(
            layer,
            self.tensors[layer.result] + LARGEST_SHIFT - self.tensors[layer.source],
            f"shift beyond {LARGEST_SHIFT}",
        )
        finest = self.tensors[layer.source] + self.weights[layer.weights]
        self._lower_tensor(layer.result, finest, f"'{layer.name}' would shift left")
        return before != (self.tensors[layer.result], self.weights[layer.weights])

    def fit_tensor_product(self, layer: TensorProduct) -> bool:
        """Lower the result, or the second operand, where the sum would shift left or too far right."""
        left, right = layer.sources
        before = (self.tensors[right], self.tensors[layer.result])
        finest = self.tensors[left] + self.tensors[right]
        self._lower_tensor(layer.result, finest, f"'{layer.name}' would shift left")
        room = self.tensors[layer.result] + LARGEST_SHIFT
        limit = room // 2 if left == right else room - self.tensors[left]
        self._lower_tensor(right, limit, f"'{layer.name}' would shift its sum too far right")
        return before != (self.tensors[right], self.tensors[layer.result])

    def fit_sum(self, layer: Sum) -> bool:
        """Lower what this addition cannot work with; whether anything was lowered."""
        involved = (*layer.sources, layer.result)
        before = [self.tensors[tensor] for tensor in involved]
        coarsest = min(self.tensors[tensor] for tensor in layer.sources)
        for tensor in layer.sources:
            self._lower_tensor(tensor, coarsest + LARGEST_READ_SHIFT, f"'{layer.name}' would read it shifted too far")
        for tensor in layer.sources:
            limit = self.tensors[layer.result] + LARGEST_WRITE_SHIFT
            self._lower_tensor(tensor, limit, f"'{layer.name}' would shift its sum too far right")
        finest = max(self.tensors[tensor] for tensor in layer.sources)
        self._lower_tensor(layer.result, finest + LARGEST_LEFT_SHIFT, f"'{layer.name}' would shift too far left")
        return before != [self.tensors[tensor] for tensor in involved]

    def _lower_tensor(self, tensor: int, limit: int, reason: str) -> None:
        if limit < COARSEST:
            raise InputError(
                f"no int8 positions fit this network: {reason}, and the tensor would have to be at position {limit}, "
                f"beyond {COARSEST}; its weights are too large by orders of magnitude, so scale them down"
            )
        if self.tensors[tensor] > limit:
            self.tensor_reasons[tensor] = f"{self.tensors[tensor]} -> {limit}: {reason}"
            self.tensors[tensor] = limit

    def _lower_weights(self, layer: Product, limit: int, reason: str) -> None:
        if self.weights[layer.weights] > limit:
            self.weight_reasons[layer.weights] = f"{self.weights[layer.weights]} -> {limit}: {reason}"
            self.weights[layer.weights] = limit
