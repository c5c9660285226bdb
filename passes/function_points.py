"""
Which float values become tables when a network is quantised: the ends of chains that are functions of one value.

A chain begins where something else than an element-wise operator computes, or behind the Relu or Clip that belongs to
such a computation, and ends where something else reads. Only its ends are quantised.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from dialects.bsr_attributes import element_type_of
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_functions import BOUNDS, PAIRS, operands_of
from passes.array_rules import broken_rules
from passes.graph import constant_of, static_shape

SUMS = ("Add", "Sub", "Max", "Min")
"""Several of them lose nothing that a table would keep; of products one after the other, each rounds."""


@dataclass
class FunctionPoints:
    """Ends of chains with what they are functions of, and the values between."""

    source_of: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    """Of every end; in the order of the network."""
    inner_of: dict[SSAValue, tuple[SSAValue, ...]] = field(default_factory=dict[SSAValue, tuple[SSAValue, ...]])
    """Of every end, the values between."""

    @property
    def inner(self) -> set[SSAValue]:
        """Values that no pair comes behind."""
        return {value for values in self.inner_of.values() for value in values}


def find_functions(nodes: Iterable[OnnxOp]) -> FunctionPoints:
    """The chains of a network whose nodes are in order."""
    origins: dict[SSAValue, SSAValue] = {}
    for node in nodes:
        if (origin := _origin(node, origins)) is not None:
            origins[node.output] = origin
    points = FunctionPoints()
    for value, origin in origins.items():
        if _goes_on(value, origins) or not _is_float(value) or not _is_float(origin):
            continue
        between = _between(value, origins)
        if not _are_pairs(value, between) and not broken_rules(_node(value)):
            points.source_of[value] = origin
            points.inner_of[value] = between
    return points


def _are_pairs(value: SSAValue, between: tuple[SSAValue, ...]) -> bool:
    """Whether the array computes a chain without a table: one operator of two maps, or several that only add up."""
    nodes = [_node(each) for each in (value, *between)]
    known = PAIRS if len(nodes) == 1 else SUMS
    return all(is_operator(node, *known) and constants_of(node) == 0 for node in nodes)


def _node(value: SSAValue) -> OnnxOp:
    assert isinstance(value.owner, OnnxOp), "nodes compute what has an origin"
    return value.owner


def constants_of(node: OnnxOp) -> int:
    """How many operands are constants."""
    return sum(constant_of(value) is not None for value in node.inputs)


def _origin(node: OnnxOp, origins: dict[SSAValue, SSAValue]) -> SSAValue | None:
    """The one value that a node's result is a function of, further up than its operands if they are functions too."""
    operands = operands_of(node)
    if operands is None:
        return None
    found = {origins.get(value, value) for value in operands}
    if len(found) != 1:
        return None
    origin = next(iter(found))
    shape = static_shape(node.output)
    if shape is None or shape != static_shape(origin):
        return None
    # bounds behind a computation belong to it
    return None if is_operator(node, *BOUNDS) and operands[0] is origin else origin


def _goes_on(value: SSAValue, origins: dict[SSAValue, SSAValue]) -> bool:
    """Whether all that read a value are functions of the same one."""
    readers = [use.operation for use in value.uses]
    return bool(readers) and all(
        isinstance(reader, OnnxOp) and origins.get(reader.output) is origins[value] for reader in readers
    )


def _between(value: SSAValue, origins: dict[SSAValue, SSAValue]) -> tuple[SSAValue, ...]:
    """The values between a function and its origin, but for those that are ends themselves."""
    found: dict[SSAValue, None] = {}
    pending = [value]
    while pending:
        for operand in operands_of(_node(pending.pop())) or ():
            if operand in origins and operand not in found and _goes_on(operand, origins):
                found[operand] = None
                pending.append(operand)
    return tuple(found)


def _is_float(value: SSAValue) -> bool:
    return element_type_of(value.type) == f32
