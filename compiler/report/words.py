"""Numbers, and what links are for, as people read them."""

from __future__ import annotations

from compiler.hardware.chip import Chip
from compiler.hardware.routes import FIRST_CORE_ROW, MEMTILE_ROW, channels
from compiler.report.flows import Port

NAME_LENGTH = 18
"""Characters of a name in a picture."""


def bytes_text(count: int) -> str:
    """`6.0 MB`, `30 kB`, `12 B`."""
    if count >= 1_000_000:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e3:.0f} kB" if count >= 1000 else f"{count} B"


def short_text(name: str) -> str:
    """A name that fits into a picture; where it is too long its end stays, in which names of layers differ."""
    return name if len(name) <= NAME_LENGTH else f"…{name[1 - NAME_LENGTH :]}"


def share_text(part: int, whole: int) -> str:
    """Percent with one decimal place."""
    return f"{100 * part / max(1, whole):.1f} %"


def resource_text(resource: str, chip: Chip) -> str:
    """What binds a segment: a link by what it carries, anything else as the simulation calls it."""
    if " of tile (" not in resource:
        return resource
    port = Port.named(resource.split(" to ")[0])
    column, row = port.place
    if port.ddr_way is not None:
        return f"{port.ddr_way}, column {column}"
    if row == MEMTILE_ROW:
        if port.channel < chip.core_rows:
            return f"{'inputs' if port.sends else 'outputs'} of core ({column}, {port.channel})"
        if not port.sends:
            return f"{'fill' if port.channel == channels(chip).fill else 'load'}, column {column}"
        return f"{'broadcast' if port.channel == channels(chip).broadcast else 'spill'}, column {column}"
    kind = "outputs of" if port.sends else "broadcast to" if port.channel else "inputs of"
    return f"{kind} core ({column}, {row - FIRST_CORE_ROW})"
