"""
Problems and solutions as CSV, in the public form of MiniMalloc, so that a hard case is a file.

    id,lower,upper,size            ->      id,lower,upper,size,offset
    b1,0,3,4                               b1,0,3,4,8

What its reader accepts, ours accepts: `buffer` or `buffer_id` for `id`, `begin` or `start` for `lower`, and `end` for
`upper`, which is then the *last* step and not the one after it. `alignment` is optional and 1 where absent. `hint` and
an `offset` already given are carried over in the file and not used. `gaps` (bytes that others may use for some of a
buffer's life) are refused where there are any: to leave them out would only make the problem harder, but not the same.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from compiler.allocation.problem import Buffer, Problem, Solution
from compiler.errors import InputError

MEANINGS = {
    "id": "id",
    "buffer": "id",
    "buffer_id": "id",
    "lower": "lower",
    "begin": "lower",
    "start": "lower",
    "upper": "upper",
    "end": "upper",
    "size": "size",
    "alignment": "alignment",
    "gaps": "gaps",
    "hint": "hint",
    "offset": "offset",
}
"""Column name -> what it says."""
REQUIRED = ("id", "lower", "upper", "size")


@dataclass(frozen=True)
class Table:
    """A file as it was read, and the problem in it."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    problem: Problem


def read_table(path: Path, capacity: int) -> Table:
    """Read a problem. Raises InputError naming the file, the line and what is wrong there."""
    lines = [row for row in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if row]
    if not lines:
        raise InputError(f"'{path}' is empty; it begins with the columns id,lower,upper,size")
    columns = tuple(name.strip() for name in lines[0])
    places = _places(path, columns)
    buffers: list[Buffer] = []
    for number, row in enumerate(lines[1:], start=2):
        where = f"'{path}', row {number}"
        if len(row) != len(columns):
            raise InputError(f"{where} has {len(row)} fields, the header has {len(columns)}: {','.join(row)}")
        if "gaps" in places and row[places["gaps"]].strip():
            raise InputError(f"{where}: a buffer with gaps cannot be placed; make a buffer of each part of its life")
        numbers = {
            meaning: _number(where, meaning, row[place]) for meaning, place in places.items() if meaning in _WHOLE
        }
        numbers["upper"] += "end" in columns
        try:
            buffers.append(Buffer(row[places["id"]].strip(), **{"alignment": 1, **numbers}))
        except ValueError as error:
            raise InputError(f"{where}: {error}") from error
    try:
        problem = Problem(tuple(buffers), capacity)
    except ValueError as error:
        raise InputError(f"'{path}': {error}") from error
    return Table(columns, tuple(tuple(row) for row in lines[1:]), problem)


def table_text(table: Table, solution: Solution) -> str:
    """The table with a last column `offset`."""
    kept = [index for index, column in enumerate(table.columns) if column != "offset"]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(table.columns[index] for index in kept), "offset"])
    for row, buffer in zip(table.rows, table.problem.buffers, strict=True):
        writer.writerow([*(row[index] for index in kept), solution.offsets[buffer.name]])
    return text.getvalue()


_WHOLE = ("lower", "upper", "size", "alignment")


def _places(path: Path, columns: tuple[str, ...]) -> dict[str, int]:
    """Meaning -> index of the column."""
    unknown = [name for name in columns if name not in MEANINGS]
    if unknown:
        raise InputError(f"'{path}' has the unknown columns {', '.join(unknown)}; known are {', '.join(MEANINGS)}")
    places = {MEANINGS[name]: index for index, name in enumerate(columns)}
    if len(places) < len(columns):
        raise InputError(f"'{path}' has two columns of one meaning: {','.join(columns)}")
    missing = [name for name in REQUIRED if name not in places]
    if missing:
        raise InputError(f"'{path}' has no column {', '.join(missing)}; its columns are {','.join(columns)}")
    return places


def _number(where: str, meaning: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{where}: {meaning} must be a whole number, '{text}' was given") from None
