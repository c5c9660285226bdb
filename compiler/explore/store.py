"""
The rows on disk: a line is added as soon as a point is done, so that nothing is lost when a run is stopped.

A later row of the same point replaces an earlier one; when a run ends the file is written anew, in the order asked for.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from compiler.errors import InputError
from compiler.explore.point import Row

COLUMNS = tuple(field.name for field in fields(Row))
_TEXT = ("model", "target", "error")
_REAL = ("sparsity", "published_ms", "seconds")


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, the last of each point, in order; none where there is no file yet."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = list(csv.reader(file)) or [[]]
    if tuple(header) != COLUMNS:
        raise InputError(
            f"'{path}' has the columns {','.join(header)}, an exploration writes {','.join(COLUMNS)}; choose another -o"
        )
    rows: dict[tuple[str, str, float], Row] = {}
    for number, line in enumerate(lines, start=2):
        # the last line may be cut short where a run was stopped; that point is measured again
        if len(line) == len(COLUMNS):
            row = _row(path, number, line)
            rows[row.model, row.target, row.sparsity] = row
    return list(rows.values())


def append_row(path: Path, row: Row) -> None:
    """Add a row, and the header before the first one."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        writer.writerow(_values(row))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Replace the file at once: it is complete at every moment."""
    beside = path.with_suffix(".part")
    with beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_values(row) for row in rows)
    beside.replace(path)


def _values(row: Row) -> list[object]:
    return ["" if getattr(row, name) is None else getattr(row, name) for name in COLUMNS]


def _row(path: Path, number: int, line: list[str]) -> Row:
    values: dict[str, object] = {}
    try:
        for name, text in zip(COLUMNS, line, strict=True):
            if name in _TEXT:
                values[name] = text
            else:
                values[name] = None if not text else float(text) if name in _REAL else int(text)
    except ValueError as error:
        raise InputError(f"'{path}', line {number}: {error}; remove the line, or choose another -o") from error
    return Row(**values)  # pyright: ignore[reportArgumentType]
