"""
What runs where, from the graph alone: every node of a model as its author knows it, its place and the reason.

Nothing here decides. The model goes through the passes of the compiler itself down to the bsr level, with large weights
left out (as if no block of them were zero) and activations taken to lie in −1 … 1 instead of calibrated; the nodes are
then looked up in what came out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from xdsl.dialects.builtin import ModuleOp

from compiler.frontend.load import load_model
from compiler.onnxio.exporter import main_function
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from dialects.bsr import HostOp
from dialects.onnx import ConstantOp, NoneOp, OnnxOp, is_operator
from passes.array_rules import RULES
from passes.word_moves import MOVED_OPERANDS, WORDS

Place = Literal["array", "host", "compiler"]
_PASSES_ON = ("Identity", "Dropout", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Sum", "Concat")

_ABSORBED = ("DequantizeLinear", "Relu", "Clip", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity")


@dataclass(frozen=True)
class Placement:
    """A node, where it is computed (`compiler`: once, when compiling), and why there, if that needs a word."""

    node: str
    op: str
    place: Place
    reason: str


def placements(
    source: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
    *,
    batch: int | None = None,
    target: str = "npu1",
) -> tuple[Placement, ...]:
    """Every node of the model at a path or `zoo:NAME`, in order. Raises what compiling its graph raises."""
    module = import_model(load_model(source, shapes=shapes, batch=batch, outline=True))
    given = module.clone()
    return place_nodes(given, Pipeline.default(target=target, until="bsr", nominal=True).run(module))


def place_nodes(given: ModuleOp, levels: Mapping[str, ModuleOp]) -> tuple[Placement, ...]:
    """The nodes of the imported model `given`, looked up in the levels `onnx` and `bsr` that came of it."""
    nodes = _nodes(given)
    lookup = _Lookup(levels, _constants(nodes))
    return tuple(lookup.place(node) for node in nodes)


def _nodes(module: ModuleOp) -> list[OnnxOp]:
    block = main_function(module).body.block
    return [op for op in block.ops if isinstance(op, OnnxOp) and not isinstance(op, ConstantOp)]


def rules_of_operators() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every operator that the array computes, with the rules that a node of it has to keep."""
    for name in sorted({*RULES, *MOVED_OPERANDS}):
        texts = tuple(" ".join((rule.__doc__ or "").split()) for rule in RULES.get(name, ()))
        words = (f"Or {WORDS}" if name in RULES else f"{WORDS[0].upper()}{WORDS[1:]}",)
        yield name, (*texts, *words) if name in MOVED_OPERANDS else texts


class _Lookup:
    """Nodes of the compiled graph by the first tensor they compute and by name."""

    def __init__(self, levels: Mapping[str, ModuleOp], constants: frozenset[OnnxOp]):
        self.constants = constants
        hosted = [node for op in levels["bsr"].walk() if isinstance(op, HostOp) for node in op.host_nodes()]
        self.reason_by_tensor = {node.tensor: node.reason for node in hosted if node.tensor}
        self.reason_by_name = {node.node: node.reason for node in hosted if node.node}
        kept = _nodes(levels["onnx"])
        self.by_tensor = {node.output_names[0]: node for node in kept if node.output_names}
        self.by_name = {node.node_name: node for node in kept if node.node_name}

    def place(self, node: OnnxOp) -> Placement:
        """Where one node of the given graph went."""
        label = node.node_name or next(iter(node.output_names), "")
        found = self._kept(node)
        if found is not None:
            return Placement(label, node.operator, *self._place_of(found))
        if node in self.constants:
            return Placement(label, node.operator, "compiler", "it depends on constants only")
        if node.operator in _PASSES_ON:
            return Placement(label, node.operator, "compiler", "it changes nothing")
        user = self._first_kept_user(node)
        if user is None:
            return Placement(label, node.operator, "compiler", "no output of the network depends on it")
        place, reason = self._place_of(user)
        return Placement(label, node.operator, place, reason or f"as part of {user.describe()}")

    def _kept(self, node: OnnxOp) -> OnnxOp | None:
        """The node of the compiled graph that has taken over this one."""
        by_tensor = (self.by_tensor[name] for name in node.output_names[:1] if name in self.by_tensor)
        return next(by_tensor, self.by_name.get(node.node_name))

    def _place_of(self, kept: OnnxOp) -> tuple[Place, str]:
        tensor = next(iter(kept.output_names), "")
        reason = self.reason_by_tensor.get(tensor) or self.reason_by_name.get(kept.node_name)
        if reason is not None:
            return "host", reason
        if kept.operator in _ABSORBED:
            # It has no work of its own: what reads it takes it in, wherever that runs
            readers = [use.operation for value in kept.outputs for use in value.uses]
            places = [self._place_of(reader) for reader in readers if isinstance(reader, OnnxOp)]
            if len(places) == len(readers) and places and all(place == "host" for place, _ in places):
                return places[0]
        return "array", ""

    def _first_kept_user(self, node: OnnxOp) -> OnnxOp | None:
        """The nearest node after this one that is still there."""
        pending, seen = [node], {node}
        for current in pending:
            for use in (use for value in current.outputs for use in value.uses):
                user = use.operation
                if not isinstance(user, OnnxOp) or user in seen:
                    continue
                if (found := self._kept(user)) is not None:
                    return found
                seen.add(user)
                pending.append(user)
        return None


def _constants(nodes: Sequence[OnnxOp]) -> frozenset[OnnxOp]:
    """Those of the nodes, in order, that depend on constants alone; Shape needs only the type of what it reads."""
    found: set[OnnxOp] = set()
    for node in nodes:
        owners = [value.owner for value in node.operands]
        if is_operator(node, "Shape", "Size") or all(isinstance(o, ConstantOp | NoneOp) or o in found for o in owners):
            found.add(node)
    return frozenset(found)
