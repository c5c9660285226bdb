"""One sentence for every name that does not exist: what was given, the nearest that exist, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


def unknown(kind: str, given: str, existing: Sequence[str]) -> str:
    """`unknown target 'npu'; did you mean npu1 or npu2? There are: npu1, npu2, mesh-2x2`."""
    near = get_close_matches(given, existing, n=3, cutoff=0.6)
    question = f"; did you mean {' or '.join(near)}?" if near else "."
    return f"unknown {kind} '{given}'{question} There are: {', '.join(existing)}"
