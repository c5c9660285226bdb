"""Which Resize nodes the array computes as sums, and not by moving or repeating elements."""

from __future__ import annotations

from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_linear import linear_lines
from passes.repeated_maps import is_repetition


def interpolates(node: OnnxOp) -> bool:
    """Whether a node is a Resize that becomes convolutions."""
    linear = is_operator(node, "Resize") and node.string("mode", "nearest") == "linear" and not is_repetition(node)
    return linear and not isinstance(linear_lines(node), str)
