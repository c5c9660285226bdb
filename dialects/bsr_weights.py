"""`bsr.weights`: the constant of one layer, as Γ and its non-zero blocks."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    IntegerType,
    TensorType,
    i32,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    BaseAttr,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from dialects.blob import BlobAttr
from dialects.bsr_attributes import (
    BLOCK,
    WEIGHTS,
    BlocksAttr,
    Encoding,
    FixedAttr,
    blocks_of,
    position_of,
    shape_of,
    weights_type,
)
from dialects.bsr_base import (
    BsrOp,
    verify_shape,
)
from dialects.bsr_blocks import compress, expand, pack_gamma, unpack_gamma
from dialects.constants import constant_array, constant_attribute, constant_type, dense_attribute

DENSE = BaseAttr[DenseIntOrFPElementsAttr[IntegerType]](cast("type[Any]", DenseIntOrFPElementsAttr))
CONSTANT = DENSE | BaseAttr(BlobAttr)


Scales: TypeAlias = npt.NDArray[np.float32]

SCALED_ONE = 64
"""A weight whose scale is its inverse."""


def array_of(attribute: Attribute) -> npt.NDArray[Any]:
    """Values of an inline or outside constant, whose type an inline one carries itself."""
    if isinstance(attribute, DenseIntOrFPElementsAttr):
        dense = cast("DenseIntOrFPElementsAttr[IntegerType]", attribute)
        return constant_array(dense, cast("TensorType[Attribute]", dense.type))
    return constant_array(attribute, TensorType(i32, []))


@irdl_op_definition
class WeightsOp(BsrOp):
    """
    The weights of one layer: Γ as bits, the non-zero 8×8 blocks, and one int32 bias per output channel.

        %w = bsr.weights {gamma = dense<-128> : tensor<1xui8>, values = #bsr.blob<"conv1_w", "…">,
                          bias = dense<0> : tensor<8xi32>} : tensor<8x3x7x7xi8, #bsr.blocks<7, 1 of 1>>

    `dialects.bsr_blocks` says how Γ and the blocks are stored. The position of the weights is in the type; the bias
    is at the position of the products, p(x) + p(w). Weights of type `#bsr.blocks<scaled, …>` have `scales` instead, a
    float32 for each output channel, and the bias is at the scale of the products, with - zero_x · Σ w already in it.
    Γ and scales are always inline, so that passes that only count blocks or choose multipliers never load values.
    """

    name = "bsr.weights"

    gamma = prop_def(DENSE)
    values = prop_def(CONSTANT)
    bias = prop_def(CONSTANT)
    scales_attr = opt_prop_def(DENSE, prop_name="scales")
    result = result_def(WEIGHTS)

    assembly_format = "attr-dict `:` type($result)"

    @classmethod
    def from_dense(
        cls, weights: npt.NDArray[np.int8], bias: npt.NDArray[np.int32], position: int | Scales, key: str
    ) -> WeightsOp:
        """
        Find the zero blocks of O×I×KH×KW weights, at a position or with a scale for each output channel.

        Large values become the blobs `key` and `key.bias`.
        """
        gamma, values = compress(weights)
        return cls.from_blocks(gamma, values, bias, weights.shape, position, key)

    @classmethod
    def of_ones(cls, places: npt.NDArray[np.int8], encoding: Encoding, key: str) -> WeightsOp:
        """
        Weights that move values of a map as they are, from O×I×KH×KW places of 1 and 0.

        A general scale stays with SCALED_ONE · (x - zero) / SCALED_ONE, because a core multiplies sums by less than
        1/2.
        """
        outputs = len(places)
        if isinstance(encoding, FixedAttr):
            return cls.from_dense(places, np.zeros(outputs, np.int32), 0, key)
        bias = -SCALED_ONE * encoding.data.zero_point * places.reshape(outputs, -1).sum(axis=1, dtype=np.int32)
        return cls.from_dense(SCALED_ONE * places, bias, np.full(outputs, 1 / SCALED_ONE, np.float32), key)

    @classmethod
    def from_blocks(
        cls,
        gamma: npt.NDArray[np.bool_],
        values: npt.NDArray[np.int8],
        bias: npt.NDArray[np.int32],
        shape: tuple[int, ...],
        position: int | Scales,
        key: str,
    ) -> WeightsOp:
        """Weights of logical O×I×KH×KW `shape` from Γ and its blocks, as `dialects.bsr_blocks.compress` gives them."""
        packed = pack_gamma(gamma)
        properties: dict[str, Attribute] = {
            "gamma": dense_attribute(packed, constant_type(packed)),
            "values": constant_attribute(values, key),
            "bias": constant_attribute(bias, f"{key}.bias"),
        }
        if not isinstance(position, int):
            properties["scales"] = dense_attribute(position, constant_type(position))
        type = weights_type(shape, position if isinstance(position, int) else None, len(values))
        return cls.create(properties=properties, result_types=[type])

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Output channels, input channels, kernel height, kernel width."""
        return cast("tuple[int, int, int, int]", shape_of(self.result.type))

    @property
    def position(self) -> int:
        """Binary position of the weights."""
        return position_of(self.result.type)

    @property
    def non_zero_blocks(self) -> int:
        """How many blocks are stored."""
        return cast(BlocksAttr, cast("TensorType[Attribute]", self.result.type).encoding).data.non_zero

    @property
    def key(self) -> str:
        """The blob's name, or an empty string if the values are inline."""
        return self.values.data.key if isinstance(self.values, BlobAttr) else ""

    def gamma_mask(self) -> npt.NDArray[np.bool_]:
        """Γ, ceil(O/8) × ceil(I/8)."""
        return unpack_gamma(array_of(self.gamma), (blocks_of(self.shape[0]), blocks_of(self.shape[1])))

    def block_values(self) -> npt.NDArray[np.int8]:
        """The stored blocks, (non-zero blocks, KH, KW, 8 inputs, 8 outputs), in row-major order of Γ."""
        return array_of(self.values)

    def bias_values(self) -> npt.NDArray[np.int32]:
        """One int32 per output channel, at position p(x) + p(w)."""
        return array_of(self.bias)

    def scale_values(self) -> npt.NDArray[np.float64]:
        """One exact scale per output channel."""
        if self.scales_attr is None:
            return np.full(self.shape[0], 2.0**-self.position)
        return array_of(self.scales_attr).astype(np.float64)

    def dense(self) -> npt.NDArray[np.int8]:
        """The O×I×KH×KW weights with their zeros."""
        return expand(self.gamma_mask(), self.block_values(), self.shape)

    def verify_(self) -> None:
        outputs, inputs, kernel_height, kernel_width = self.shape
        blocks = blocks_of(outputs) * blocks_of(inputs)
        declared = cast(BlocksAttr, cast("TensorType[Attribute]", self.result.type).encoding).data
        packed = self.gamma.data.data
        if declared.total != blocks:
            raise VerifyException(f"the type says {declared.total} blocks, {outputs}x{inputs} channels have {blocks}")
        if len(packed) != -(-blocks // 8):
            raise VerifyException(f"gamma has {len(packed)} bytes, {blocks} blocks need {-(-blocks // 8)}")
        found = int(self.gamma_mask().sum())
        if found != declared.non_zero:
            raise VerifyException(f"gamma marks {found} blocks, the type says {declared.non_zero}")
        stored = (found, kernel_height, kernel_width, BLOCK, BLOCK)
        if (self.scales_attr is None) != (declared.position is not None):
            raise VerifyException("weights have a position in their type or scales, one of them")
        constants = [("values", self.values, stored), ("bias", self.bias, (outputs,))]
        if self.scales_attr is not None:
            constants.append(("scales", self.scales_attr, (outputs,)))
        for what, constant, shape in constants:
            if isinstance(constant, DenseIntOrFPElementsAttr):
                verify_shape(what, constant.get_shape(), shape)


def weights_of(value: SSAValue) -> WeightsOp:
    """The constant behind an operand for weights."""
    if not isinstance(value.owner, WeightsOp):
        raise VerifyException("weights must be the result of a bsr.weights in the same function")
    return value.owner
