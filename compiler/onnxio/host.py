"""
Run any ONNX model on the host: in ONNX Runtime, and where that lacks an operator or operator set, in ONNX's reference.

The reference evaluator is not asked about operators that it computes wrongly (measured against ONNX Runtime and
float64 with onnx 1.23.2): BatchNormalization before operator set 14, where it applies the formula of training, the
family of Softmax before 13, which it computes along the last axis only, and LRN; nor about loops that collect scalars.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import onnx
import onnx.defs

from compiler.errors import InputError
from compiler.onnxio.runtime import Session, open_session, run_session

if TYPE_CHECKING:
    from onnx.reference import ReferenceEvaluator

_WRONG_BEFORE = {"BatchNormalization": 14, "Softmax": 13, "LogSoftmax": 13, "Hardmax": 13, "LRN": 1 << 30}
_BETTER_IN_REFERENCE = ("Attention", "DFT", "MaxUnpool", "STFT")
"""ONNX Runtime 1.31 misses the tolerances of ONNX's own suites here, by rounding or by another definition."""
_SURELY_RELEASED = 21
"""An operator set that every ONNX Runtime we accept knows."""
_REFERENCE_REFUSALS = (
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
    AttributeError,
    KeyError,
    IndexError,
    ImportError,
)
"""What the reference evaluator, which has no exception of its own, raises about what it cannot run."""


class HostModel:
    """A model ready to run, by whichever of the two can."""

    def __init__(self, model: onnx.ModelProto | bytes, *, threads: int = 0):
        """Raises InputError with what both say if neither can."""
        proto = onnx.ModelProto.FromString(model) if isinstance(model, bytes) else model
        self._model = proto
        self._session: Session | None = None
        self._reference: ReferenceEvaluator | None = None
        if any(map(_is_better_in_reference, _nodes(proto.graph))):
            with suppress(InputError):
                self._reference = _reference(proto, InputError("ONNX Runtime is not asked"))
                return
        try:
            self._session = open_session(_at_first_version(proto), threads=threads)
        except InputError as refusal:
            self._reference = _reference(proto, refusal)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs that have no default, in order."""
        if self._session is not None:
            return tuple(argument.name for argument in self._session.get_inputs())
        assert self._reference is not None, "one of the two was found"
        return tuple(cast("list[str]", self._reference.input_names))

    def run(self, inputs: Mapping[str, Any]) -> list[Any]:
        """The outputs in order: arrays, lists of them for sequences, None for empty optionals."""
        if self._session is not None:
            try:
                return list(run_session(self._session, inputs).values())
            except InputError as refusal:
                self._reference = _reference(self._model, refusal)
        assert self._reference is not None, "one of the two was found"
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return list(cast(Any, self._reference).run(None, dict(inputs)))
        except _REFERENCE_REFUSALS as error:
            raise InputError(f"ONNX's reference evaluator cannot run this model on these inputs: {error}") from error


def _reference(proto: onnx.ModelProto, refusal: InputError) -> ReferenceEvaluator:
    """The reference evaluator for what ONNX Runtime refuses; imported only then, for it is slow to import."""
    from onnx.reference import ReferenceEvaluator

    version = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), 1)
    wrong = sorted({node.op_type for node in _nodes(proto.graph) if version < _WRONG_BEFORE.get(node.op_type, 0)})
    wrong += ["Loop that collects scalars"] if any(map(_collects_scalars, _nodes(proto.graph))) else []
    if wrong:
        raise InputError(
            f"{refusal}; the reference evaluator of ONNX computes {', '.join(wrong)} wrongly at operator set {version}"
        ) from refusal
    try:
        return ReferenceEvaluator(proto)
    except _REFERENCE_REFUSALS as error:
        raise InputError(f"{refusal}; nor can the reference evaluator of ONNX: {error}") from error


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _nodes(inner)


def _collects_scalars(node: onnx.NodeProto) -> bool:
    """Whether a Loop stacks scalars, which the reference evaluator gives one axis too many."""
    bodies = [attribute.g for attribute in node.attribute if node.op_type == "Loop" and attribute.name == "body"]
    scans = [value for body in bodies for value in body.output[1 + max(0, len(node.input) - 2) :]]
    return any(not len(value.type.tensor_type.shape.dim) for value in scans)


def _is_better_in_reference(node: onnx.NodeProto) -> bool:
    """Whether ONNX Runtime computes a node otherwise than ONNX defines it."""
    flags = {attribute.name: attribute.i or attribute.s for attribute in node.attribute}
    match node.op_type:
        case "BatchNormalization":
            return bool(flags.get("training_mode"))
        case "Dropout":
            return len(node.input) > 2 and bool(node.input[2])
        case "Resize":
            return flags.get("coordinate_transformation_mode") == b"align_corners"
        case operator:
            return operator in _BETTER_IN_REFERENCE


def _at_first_version(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same model at the oldest operator set in which its operators mean the same: one that is released."""
    entry = next((entry for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), None)
    if entry is None or len(proto.functions) or entry.version <= _SURELY_RELEASED:
        return proto
    standard = {node.op_type for node in _nodes(proto.graph) if node.domain in ("", "ai.onnx")}
    if not all(onnx.defs.has(operator, entry.version, "") for operator in standard):
        return proto
    first = max((onnx.defs.get_schema(operator, entry.version, "").since_version for operator in standard), default=1)
    restamped = onnx.ModelProto()
    restamped.CopyFrom(proto)
    for copied in restamped.opset_import:
        if copied.domain in ("", "ai.onnx"):
            copied.version = max(first, _SURELY_RELEASED)
    return restamped
