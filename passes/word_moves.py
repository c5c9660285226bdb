"""
Networks that only move elements of whole words, whatever operators spell it, as `bsr.move`.

    %a = onnx.Transpose(%x)   %y = onnx.Concat(%a, %z)      ->      %y = bsr.move(%x, %z) {moves = [#bsr.words<…>, …]}

Nothing is matched. The network runs once on the numbers of its elements instead of their values, which says of every
element of a result which one it is. Constants that are moved have numbers too, and those that a result holds become an
operand that the host stores; 0 is the number of the zero that Pad and Trilu put in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, SSAValue

from compiler.errors import InputError
from compiler.onnxio.exporter import main_function
from compiler.onnxio.host import HostModel
from compiler.onnxio.subgraph import subgraph_model
from compiler.transfers.moves import Move, moves_of
from compiler.transfers.trips import trips_of
from dialects.bsr import HostOp, MoveOp
from dialects.bsr_attributes import element_type_of
from dialects.constants import dtype_of
from dialects.onnx import UNCONVERTED, ConstantOp, NoneOp, OnnxOp, is_operator
from dialects.onnx_window import shape_of_value
from dialects.words import WORD_BYTES, words_of_type
from passes.fixed_point_values import Unrepresentable
from passes.stored_constants import stored_tensor

Numbers = npt.NDArray[np.int64]

_MOVE_FIRST = (
    "CenterCropPad Compress DepthToSpace Expand Flatten Gather GatherElements GatherND Identity Reshape Resize "
    "ReverseSequence Slice SpaceToDepth Split Squeeze Tile Transpose Trilu Unsqueeze"
).split()
MOVED_OPERANDS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(_MOVE_FIRST, (0,)),
    **dict.fromkeys(("ScatterElements", "ScatterND"), (0, 2)),
    "Concat": (),
    "Pad": (0, 2),
    "Where": (1, 2),
}
"""Which operands of an operator are moved, none for all; the others, which say where to, have to be constants."""
MOST_ELEMENTS = 1 << 22
"""Of everything that is moved; their numbers are exact in float32."""
MOST_COPIES = 256
"""Of a result through the shims; more take the controller longer than the launch of the array."""
WORDS = (
    "the whole network only moves elements of 4 or 8 bytes, whatever their bits mean: to places known when compiling, "
    f"{MOST_ELEMENTS:,} elements at most, each result in at most {MOST_COPIES} copies of n-d runs of words."
)
"""The rule that all these operators have, instead of others that they may have."""
_ZERO = 0


@dataclass(frozen=True)
class WordMoves:
    """Ops that make the results of a network from its inputs."""

    stored: tuple[HostOp, ...]
    """Constants, which go first."""
    moves: tuple[MoveOp, ...]
    results: tuple[SSAValue, ...]


def only_moves_words(module: ModuleOp) -> bool:
    """Whether all nodes of a network move elements of whole words, to places that are known."""
    function = main_function(module)
    nodes, moved, results = _network(function)
    return UNCONVERTED not in module.attributes and _moves_words(nodes, moved, results)


def word_moves(module: ModuleOp, function: FuncOp, arguments: Sequence[SSAValue]) -> WordMoves | None:
    """
    The network as moves of words of its `arguments`; None if it does anything else.

    Raises Unrepresentable if it moves them in too irregular a way.
    """
    nodes, moved, results = _network(function)
    if UNCONVERTED in module.attributes or not _moves_words(nodes, moved, results):
        return None
    sources = [*function.body.block.args, *(value for value in moved if isinstance(value.owner, ConstantOp))]
    return _Numbered.of(module, nodes, sources, results).as_moves(results, arguments)


def _network(function: FuncOp) -> tuple[list[OnnxOp], dict[SSAValue, None], Sequence[SSAValue]]:
    """Its nodes, what they move, and its results."""
    block = function.body.block
    last = block.last_op
    assert isinstance(last, ReturnOp), "a network ends in func.return"
    nodes = [op for op in block.ops if isinstance(op, OnnxOp) and not isinstance(op, ConstantOp | NoneOp)]
    moved = [value for node in nodes for value in _moved_operands(node)]
    given = [value for value in last.arguments if isinstance(value.owner, ConstantOp)]
    return nodes, dict.fromkeys((*moved, *given)), last.arguments


def _moved_operands(node: OnnxOp) -> Iterator[SSAValue]:
    positions = MOVED_OPERANDS.get(node.operator, ()) or range(len(node.inputs))
    for number, value in enumerate(node.inputs):
        if number in positions and not isinstance(value.owner, NoneOp):
            yield value


def _moves_words(nodes: Sequence[OnnxOp], moved: Collection[SSAValue], results: Sequence[SSAValue]) -> bool:
    """Whether every node moves elements of whole words to places that are known, and no place is moved itself."""
    for node in nodes:
        if not is_operator(node, *MOVED_OPERANDS) or _computes(node):
            return False
        operands = list(_moved_operands(node))
        others = [value for value in node.inputs if value not in operands]
        if any(not isinstance(value.owner, ConstantOp | NoneOp) or value in moved for value in others):
            return False
    return bool(nodes) and all(words_of_type(value.type) for value in (*moved, *results))


def _computes(node: OnnxOp) -> bool:
    """Whether a node of these operators does more than move elements, or puts other numbers in than zeros."""
    if is_operator(node, "Resize"):
        nearest = node.string("mode", "nearest") == "nearest"
        return not nearest or node.string("coordinate_transformation_mode", "") == "tf_crop_and_resize"
    return node.string("reduction", "none") != "none" or "value" in node.attributes


@dataclass(frozen=True)
class _Numbered:
    """The elements of what is moved, numbered from 1, and of every result the numbers of its elements."""

    sources: tuple[SSAValue, ...]
    begins: Numbers
    """The number of the first element of each source; past the last one at the end."""
    results: tuple[Numbers, ...]

    @classmethod
    def of(
        cls, module: ModuleOp, nodes: Sequence[OnnxOp], sources: Sequence[SSAValue], results: Sequence[SSAValue]
    ) -> _Numbered:
        """Run the network on numbers. Raises Unrepresentable if there are too many, or nothing runs it."""
        sizes = [prod(shape_of_value(value) or ()) for value in sources]
        elements = sum(sizes) + sum(prod(shape_of_value(value) or ()) for value in results)
        if elements > MOST_ELEMENTS:
            raise Unrepresentable(f"it moves {elements} elements; up to {MOST_ELEMENTS} are followed")
        begins = np.cumsum([_ZERO + 1, *sizes])
        numbers: dict[SSAValue, Numbers] = {}
        for value, begin, size in zip(sources, begins.tolist(), sizes, strict=False):
            numbers[value] = np.arange(begin, begin + size, dtype=np.int64).reshape(shape_of_value(value) or ())
        computed = [value for value in dict.fromkeys(results) if value not in numbers]
        if computed:
            read = [value for value in sources if any(use.operation in nodes for use in value.uses)]
            model = subgraph_model(module, nodes, read, computed)
            given: dict[str, npt.NDArray[Any]] = {
                f"input{index}": numbers[value].astype(_dtype(value)) for index, value in enumerate(read)
            }
            try:
                found = HostModel(model, threads=1).run(given)
            except InputError as refusal:
                raise Unrepresentable(f"nothing says where its elements go: {refusal}") from refusal
            numbers |= {value: array.astype(np.int64) for value, array in zip(computed, found, strict=True)}
        for value in results:
            if numbers[value].shape != shape_of_value(value):
                raise Unrepresentable(f"its result is {numbers[value].shape}, and its type says {value.type}")
        return cls(tuple(sources), begins, tuple(numbers[value] for value in results))

    def as_moves(self, results: Sequence[SSAValue], arguments: Sequence[SSAValue]) -> WordMoves | None:
        """Ops for all results; None if one of them holds nothing of the network's inputs."""
        stored: list[HostOp] = []
        moves: list[MoveOp] = []
        for index, (value, numbers) in enumerate(zip(results, self.results, strict=True)):
            flat = numbers.reshape(-1)
            source = np.searchsorted(self.begins, flat, side="right") - 1
            places = flat - self.begins[np.maximum(source, 0)]
            constant = (source < 0) | (source >= len(arguments))
            if constant.all():
                return None
            operands: list[int] = list(dict.fromkeys(source[~constant].tolist()))
            values = [arguments[number] for number in operands]
            if constant.any():
                held = stored_tensor(
                    self._constants(flat[constant], _dtype(value)), f"{_name(value)}.{index}.constants"
                )
                stored.append(held)
                values.append(held.outputs[0])
                places[constant] = np.arange(constant.sum())
            order = np.full(len(self.sources) + 1, len(operands))
            order[operands] = np.arange(len(operands))
            number = np.where(constant, len(operands), order[source])
            op = MoveOp(values, _moves(number, places, _dtype(value).itemsize // WORD_BYTES), value.type)
            if isinstance(value.owner, Operation):
                op.location = value.owner.location
            op.result.name_hint = value.name_hint
            moves.append(op)
        return WordMoves(tuple(stored), tuple(moves), tuple(op.result for op in moves))

    def _constants(self, numbers: Numbers, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """The values of elements that are constants, 0 for number 0."""
        found = np.zeros(numbers.size, dtype)
        for value, begin, end in zip(self.sources, self.begins[:-1], self.begins[1:], strict=True):
            if isinstance(value.owner, ConstantOp):
                mine = (numbers >= begin) & (numbers < end)
                found[mine] = value.owner.array().reshape(-1)[numbers[mine] - begin]
        return found


def _moves(source: Numbers, places: Numbers, words: int) -> tuple[Move, ...]:
    """Moves of elements of so many words. Raises Unrepresentable if they take too many copies."""
    each = places[:, None] * words + np.arange(words)
    moves = moves_of(np.repeat(source, words), each.reshape(-1), MOST_COPIES)
    copies = MOST_COPIES + 1 if moves is None else sum(trip.copies for move in moves for trip in trips_of(move))
    if moves is None or copies > MOST_COPIES:
        raise Unrepresentable(
            f"it moves elements irregularly, in more than {MOST_COPIES} copies of n-d runs of words, for each of which "
            f"the controller of the array writes descriptors"
        )
    return moves


def _dtype(value: SSAValue) -> np.dtype[Any]:
    element = element_type_of(value.type)
    found = None if element is None else dtype_of(element)
    assert found is not None, "only elements of whole words are numbered"
    return found


def _name(value: SSAValue) -> str:
    owner = value.owner
    return next(iter(owner.output_names), owner.node_name) if isinstance(owner, OnnxOp) else "input"
