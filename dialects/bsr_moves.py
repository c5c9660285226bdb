"""The op of the `bsr` level that moves words of tensors, whatever their bits mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, TensorType
from xdsl.ir import Attribute, Data, SSAValue
from xdsl.irdl import irdl_attr_definition, irdl_op_definition, prop_def, result_def, var_operand_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from compiler.transfers.moves import Axis, Move
from dialects.bsr_base import BsrOp
from dialects.words import words_of_type


@irdl_attr_definition
class MoveAttr(Data[Move]):
    """`#bsr.words<1, 4 to 0 [<3, 1, 2>, <2, 3, 1>]>`: of operand 1 from word 4 on, to word 0; size and both strides."""

    name = "bsr.words"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Move:
        def axis() -> Axis:
            with parser.in_angle_brackets():
                size = parser.parse_integer(allow_boolean=False, allow_negative=False)
                parser.parse_punctuation(",")
                read = parser.parse_integer(allow_boolean=False)
                parser.parse_punctuation(",")
                return Axis(size, read, parser.parse_integer(allow_boolean=False))

        with parser.in_angle_brackets():
            source = parser.parse_integer(allow_boolean=False, allow_negative=False)
            parser.parse_punctuation(",")
            first = parser.parse_integer(allow_boolean=False, allow_negative=False)
            parser.parse_keyword("to")
            to = parser.parse_integer(allow_boolean=False, allow_negative=False)
            return Move(source, first, to, tuple(parser.parse_comma_separated_list(parser.Delimiter.SQUARE, axis)))

    def print_parameter(self, printer: Printer) -> None:
        move = self.data
        axes = ", ".join(f"<{axis.size}, {axis.read}, {axis.written}>" for axis in move.axes)
        with printer.in_angle_brackets():
            printer.print_string(f"{move.source}, {move.first} to {move.to} [{axes}]")


@irdl_op_definition
class MoveOp(BsrOp):
    """
    A tensor of which every 4-byte word is some word of an operand: a transpose, a slice, a concatenation, a repetition.

        %y = bsr.move(%x) {moves = [#bsr.words<0, 0 to 0 [<3, 1, 2>, <2, 3, 1>]>]}
             : (tensor<2x3xf32>) -> tensor<3x2xf32>

    Elements are of 4 bytes or of 8, which are two words. Nothing computes with them, so any bits stay what they are.
    """

    name = "bsr.move"

    inputs = var_operand_def(TensorType)
    moves_attr = prop_def(ArrayAttr[MoveAttr], prop_name="moves")
    result = result_def(TensorType)

    assembly_format = "`(` $inputs `)` attr-dict `:` functional-type(operands, results)"

    def __init__(self, inputs: Sequence[SSAValue], moves: Sequence[Move], type: Attribute):
        super().__init__(
            operands=[list(inputs)],
            properties={"moves": ArrayAttr([MoveAttr(move) for move in moves])},
            result_types=[type],
        )

    @property
    def moves(self) -> tuple[Move, ...]:
        """What goes where; no order among them."""
        return tuple(move.data for move in self.moves_attr)

    def verify_(self) -> None:
        sizes = [_words(f"operand {number}", value.type) for number, value in enumerate(self.inputs)]
        counts = np.zeros(_words("the result", self.result.type), np.uint8)
        for move in self.moves:
            if move.source >= len(sizes):
                raise VerifyException(f"a move reads operand {move.source}, and there are {len(sizes)}")
            for what, low, high, size in (
                (
                    f"operand {move.source}",
                    *_reach(move.first, [(axis.size, axis.read) for axis in move.axes]),
                    sizes[move.source],
                ),
                ("the result", *_reach(move.to, [(axis.size, axis.written) for axis in move.axes]), counts.size),
            ):
                if low < 0 or high >= size:
                    raise VerifyException(f"a move visits words {low} to {high} of {what}, which has {size}")
            written = move.written()
            if np.unique(written).size != written.size or counts[written].any():
                raise VerifyException(f"a word of the result is written twice, once by {MoveAttr(move)}")
            counts[written] = 1
        if not counts.all():
            raise VerifyException(f"nothing writes word {int(np.flatnonzero(counts == 0)[0])} of the result")


def _words(what: str, type: Attribute) -> int:
    words = words_of_type(type)
    if not words:
        raise VerifyException(
            f"{what} is {type}; elements of 4 or 8 bytes are moved as words, and at least one of them"
        )
    return words


def _reach(first: int, axes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The lowest and the highest word."""
    ends = [(size - 1) * stride for size, stride in axes]
    return first + sum(min(end, 0) for end in ends), first + sum(max(end, 0) for end in ends)
