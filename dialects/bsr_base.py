"""What the ops of the `bsr` level share: notes, rounding and clamp, and the geometry of a sliding window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import DenseArrayBase, IntegerType, StringAttr, i64
from xdsl.ir import Attribute
from xdsl.irdl import IRDLOperation, ParsePropInAttrDict, eq, prop_def, traits_def
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from compiler.quantization.scaling import Multipliers, ScaleError, multipliers
from dialects.bsr_attributes import Rounding, encoding_of, int_array, is_scaled, scale_of, shape_of

TENSOR_NAME = "bsr.tensor"
"""Note on an op: the tensor of the quantised ONNX graph that its result equals."""

INTS = DenseArrayBase.constr(eq(i64))
FULL_RANGE = (-128, 127)
FULL_RANGE_ATTR = int_array(FULL_RANGE)
HALF_EVEN = StringAttr("half_even")
ONES = int_array([1, 1])
NO_PADS = int_array([0, 0, 0, 0])


def ints_of(attribute: DenseArrayBase[IntegerType]) -> tuple[int, ...]:
    """The values of `array<i64: …>`."""
    return attribute.get_values()


def pair_of(attribute: DenseArrayBase[IntegerType]) -> tuple[int, int]:
    """The two values of `array<i64: …>`; verified ops have two."""
    return cast("tuple[int, int]", attribute.get_values())


def four_of(attribute: DenseArrayBase[IntegerType]) -> tuple[int, int, int, int]:
    """The four values of `array<i64: …>`, as pads: top, left, bottom, right."""
    return cast("tuple[int, int, int, int]", attribute.get_values())


class BsrOp(IRDLOperation):
    """No side effect, properties printed among the notes, and the name of its tensor."""

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())

    @property
    def is_scaled(self) -> bool:
        """Whether a general scale is involved, so that multipliers take the place of shifts."""
        return any(is_scaled(value.type) for value in (*self.operands, *self.results))

    @property
    def tensor_name(self) -> str:
        """`bsr.tensor`, or an empty string."""
        name = self.attributes.get(TENSOR_NAME)
        return name.data if isinstance(name, StringAttr) else ""


class ClampedOp(BsrOp):
    """An op that clamps its result, last of all."""

    clamp_attr = prop_def(INTS, FULL_RANGE_ATTR, prop_name="clamp")

    @property
    def clamp(self) -> tuple[int, int]:
        """Smallest and largest int8 that leave this op; a ReLU is (0, 127)."""
        return pair_of(self.clamp_attr)

    def verify_(self) -> None:
        verify_clamp(self.clamp_attr)


class RoundingOp(ClampedOp):
    """An op that rounds, saturates to int8 and clamps its result, in this order."""

    rounding_attr = prop_def(eq(StringAttr("half_even")) | eq(StringAttr("half_up")), HALF_EVEN, prop_name="rounding")

    @property
    def rounding(self) -> Rounding:
        """How ties are rounded."""
        return "half_up" if self.rounding_attr.data == "half_up" else "half_even"


WIDEST_ALIGNMENT = 22
"""Two int8 whose positions differ by at most this much have a sum that fits 32 bits with room: 2**7 * 2**22 < 2**30."""


def verify_alignment(left: int, right: int) -> None:
    """Two positions close enough for a 32-bit sum."""
    if abs(left - right) > WIDEST_ALIGNMENT:
        raise VerifyException(
            f"positions {left} and {right} lie further apart than {WIDEST_ALIGNMENT}, 32 bits overflow"
        )


def verify_clamp(clamp: DenseArrayBase[IntegerType]) -> None:
    """Two int8 values, in order."""
    values = ints_of(clamp)
    if len(values) != 2 or not -128 <= values[0] <= values[1] <= 127:
        raise VerifyException(f"clamp is {list(values)}; expected [low, high] with -128 <= low <= high <= 127")


def verify_length(name: str, attribute: DenseArrayBase[IntegerType], length: int, least: int) -> None:
    """`length` integers, none below `least`."""
    values = ints_of(attribute)
    if len(values) != length or min(values) < least:
        raise VerifyException(f"{name} is {list(values)}; expected {length} integers >= {least}")


def verify_shape(what: str, found: Sequence[int], expected: Sequence[int]) -> None:
    """The result has the shape that the operands imply."""
    if tuple(found) != tuple(expected):
        raise VerifyException(f"the shape of {what} is {list(found)}; the operands imply {list(expected)}")


def verify_same_position(op: str, source: Attribute, result: Attribute) -> None:
    """An op that does not round keeps the position, or the scale and the zero-point."""
    if encoding_of(source) != encoding_of(result):
        raise VerifyException(
            f"{op} keeps positions, but goes from {_words(source)} to {_words(result)}; requantise apart"
        )


def _words(type: Attribute) -> str:
    encoding = encoding_of(type)
    return str(encoding) if is_scaled(type) else str(encoding.data)


def result_multipliers(products: npt.NDArray[np.float64], result: Attribute, widest_shift: int) -> Multipliers:
    """What takes accumulators of these scales to a map of type `result`. Refuses scales too far apart."""
    try:
        return multipliers(products, scale_of(result), widest_shift)
    except ScaleError as error:
        raise VerifyException(str(error)) from error


def window_shape(
    input: Attribute,
    channels: int,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int] = (1, 1),
) -> tuple[int, int, int, int]:
    """Shape of the map of a `kernel` window that slides over `input` with `pads` (top, left, bottom, right)."""
    _, _, height, width = shape_of(input)
    top, left, bottom, right = pads
    rows = (height + top + bottom - dilations[0] * (kernel[0] - 1) - 1) // strides[0] + 1
    columns = (width + left + right - dilations[1] * (kernel[1] - 1) - 1) // strides[1] + 1
    if rows < 1 or columns < 1:
        raise VerifyException(
            f"a {kernel[0]}x{kernel[1]} window (dilations {list(dilations)}) does not fit "
            f"a {height}x{width} map with pads {list(pads)}"
        )
    return (1, channels, rows, columns)
