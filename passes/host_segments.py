"""
The parts of a network that stay on the host: which nodes belong to one, and the ONNX model that it becomes.

A segment computes one value. It holds the nodes between that value and the nearest values that exist anyway: int8 maps
of the array, and the network's inputs. Segments that feed only one other segment are then merged into it, so that a
chain of host operators is one segment with one reason for each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Block, Operation, SSAValue

from compiler.onnxio.subgraph import subgraph_model
from dialects.bsr import (
    ClampOp,
    Conv2dOp,
    HostNode,
    HostOp,
    PadOp,
    RequantiseOp,
    ReshapeOp,
    WeightsOp,
)
from dialects.bsr_weights import weights_of
from dialects.onnx import UNCONVERTED, ConstantOp, NoneOp, OnnxOp, is_operator
from passes.array_rules import broken_rules

_CHEAP = (ClampOp, PadOp, RequantiseOp, ReshapeOp)
PLUMBING = ("QuantizeLinear", "DequantizeLinear", "Reshape", "Flatten", "Identity", "Squeeze", "Unsqueeze")


@dataclass
class Segment:
    """One value computed on the host."""

    root: SSAValue
    nodes: frozenset[OnnxOp]
    leaves: tuple[SSAValue, ...]
    """What it reads, as values of the onnx function."""
    reasons: tuple[str, ...]
    placeholder: HostOp
    """The op in the new function; its model is filled in once no more segments merge."""


def cone_of(root: SSAValue, available: Mapping[SSAValue, SSAValue]) -> tuple[frozenset[OnnxOp], tuple[SSAValue, ...]]:
    """The nodes that compute `root` from `available` values, and which of these they read, in order of discovery."""
    nodes: set[OnnxOp] = set()
    leaves: dict[SSAValue, None] = {}
    pending = [root]
    while pending:
        value = pending.pop()
        producer = value.owner
        if value in available and value is not root:
            leaves[value] = None
        elif isinstance(producer, OnnxOp) and not isinstance(producer, ConstantOp) and producer not in nodes:
            nodes.add(producer)
            pending.extend(reversed([operand for operand in producer.operands if not _is_constant(operand)]))
    return frozenset(nodes), tuple(leaves)


def _is_constant(value: SSAValue) -> bool:
    return isinstance(value.owner, ConstantOp | NoneOp)


def open_segment(
    root: SSAValue, type: Attribute, available: Mapping[SSAValue, SSAValue], reason: str, key: str
) -> Segment:
    """A segment for `root` with a placeholder of result `type`. `key` names its model among the blobs."""
    nodes, leaves = cone_of(root, available)
    placeholder = HostOp(
        [available[leaf] for leaf in leaves], [type], model=b"", key=key, node=key, operator="", reason=reason
    )
    placeholder.location = root.owner.location if isinstance(root.owner, Operation) else placeholder.location
    return Segment(root, nodes, leaves, (reason,), placeholder)


def merge_segments(segments: list[Segment], available: Mapping[SSAValue, SSAValue]) -> list[Segment]:
    """Merge every segment whose value only one other segment reads into that one; the rest, in order."""
    by_result: dict[SSAValue, Segment] = {segment.placeholder.outputs[0]: segment for segment in segments}
    merged: set[int] = set()
    for reader in reversed(segments):
        if id(reader) in merged:
            continue
        while (leaf := _private_leaf(reader, by_result, available)) is not None:
            source = by_result[available[leaf]]
            _merge(reader, leaf, source, available)
            merged.add(id(source))
    return [segment for segment in segments if id(segment) not in merged]


def _private_leaf(
    reader: Segment, by_result: Mapping[SSAValue, Segment], available: Mapping[SSAValue, SSAValue]
) -> SSAValue | None:
    """A value that another segment makes for `reader` alone."""
    for leaf in reader.leaves:
        value = available[leaf]
        if value not in by_result or by_result[value].root is not leaf:
            continue
        readers = [use.operation for use in value.uses]
        if len(readers) == 1 and readers[0] is reader.placeholder:
            return leaf
    return None


def _merge(reader: Segment, leaf: SSAValue, source: Segment, available: Mapping[SSAValue, SSAValue]) -> None:
    reader.nodes |= source.nodes
    reader.leaves = tuple(dict.fromkeys((*source.leaves, *(other for other in reader.leaves if other is not leaf))))
    reader.reasons = tuple(dict.fromkeys((*source.reasons, *reader.reasons)))
    reader.placeholder.operands = [available[other] for other in reader.leaves]
    source.placeholder.detach()
    source.placeholder.erase()


def stranded_ops(block: Block) -> set[Operation]:
    """
    Ops of the array that only move or clamp what the host computes and the host reads: two crossings for nothing.

    Quantisation at the boundary of the network does not count as computing.
    """
    stranded: set[Operation] = {op for op in block.ops if isinstance(op, _CHEAP) or _takes_channels(op)}
    while True:
        safe = {
            op
            for op in stranded
            if all(value.owner in stranded or _computes(value.owner) for value in _maps_of(op))
            and all(use.operation in stranded or _computes(use.operation) for use in op.results[0].uses)
        }
        if safe == stranded:
            return safe
        stranded = safe


def _maps_of(op: Operation) -> list[SSAValue]:
    return [value for value in op.operands if not isinstance(value.owner, WeightsOp)]


def _takes_channels(op: Operation) -> bool:
    """Whether a convolution only takes channels of its input, by a single 1 at position 0 in each row."""
    if not isinstance(op, Conv2dOp):
        return False
    weights = weights_of(op.weights)
    if op.is_scaled or weights.position != 0 or weights.shape[2:] != (1, 1):
        return False
    rows = weights.dense().reshape(weights.shape[:2])
    ones = (rows == 1).sum(axis=1) == 1
    return bool(ones.all() and (rows != 0).sum() == len(rows) and not weights.bias_values().any())


def _computes(owner: Operation | Block) -> bool:
    """Whether a host segment does more than quantise and reshape."""
    return isinstance(owner, HostOp) and any(node.operator not in PLUMBING for node in owner.host_nodes())


def finish_segment(segment: Segment, module: ModuleOp, order: Mapping[Operation, int], key: str) -> None:
    """Give the placeholder its model, and the names and reasons that a report shows."""
    nodes = sorted(segment.nodes, key=lambda node: order[node])
    model = subgraph_model(module, nodes, segment.leaves, [segment.root])
    shown = [node for node in nodes if not is_operator(node, *PLUMBING)] or nodes
    filled = HostOp(
        segment.placeholder.inputs,
        [segment.placeholder.outputs[0].type],
        model=model.SerializeToString(deterministic=True),
        key=key,
        node=_label(shown),
        operator=", ".join(dict.fromkeys(node.operator for node in nodes)),
        reason="; ".join(segment.reasons),
        nodes=[_host_node(node, segment, UNCONVERTED not in module.attributes) for node in nodes],
    )
    segment.placeholder.properties.update(filled.properties)
    filled.erase()


def _host_node(node: OnnxOp, segment: Segment, known: bool) -> HostNode:
    """A node with its own reason if the array has no form for it, else with that of the segment."""
    linear = is_operator(node, "QuantizeLinear", "DequantizeLinear")
    broken = broken_rules(node) if known and not linear else ()
    reason = "; ".join(broken or segment.reasons)
    return HostNode(node.node_name, next(iter(node.output_names), ""), node.operator, reason)


def _label(nodes: Iterable[OnnxOp]) -> str:
    """The names of the nodes as users know them."""
    names = (node.node_name or next(iter(node.output_names), node.operator) for node in nodes)
    return ", ".join(dict.fromkeys(names))
