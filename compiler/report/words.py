"""Numbers as people read them."""

from __future__ import annotations


def bytes_text(count: int) -> str:
    """`6.0 MB`, `30 kB`, `12 B`."""
    if count >= 1_000_000:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e3:.0f} kB" if count >= 1000 else f"{count} B"


def share_text(part: int, whole: int) -> str:
    """Percent with one decimal place."""
    return f"{100 * part / max(1, whole):.1f} %"
