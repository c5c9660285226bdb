"""
Measure points beside each other: in processes of this machine, or on the workers of a Dask cluster.

Rows come in the order in which they are done. A process that dies (of memory, mostly) takes the others of its pool with
it; these are then measured again one by one, so that only the point that did it has an error.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from compiler.errors import InputError
from compiler.explore.point import Point, Row, measure, unmeasured
from compiler.explore.store import append_row, read_rows, write_rows

Measure: TypeAlias = Callable[[Point], Row]


class Scheduler(Enum):
    """Where points are measured."""

    PROCESSES = "processes"
    DASK = "dask"


def explore(
    points: Sequence[Point],
    path: Path,
    *,
    jobs: int,
    scheduler: Scheduler = Scheduler.PROCESSES,
    address: str | None = None,
    done: Callable[[Row, bool], None] = lambda row, known: None,
    measure: Measure = measure,
) -> list[Row]:
    """
    The rows of all points, in their order; each is in the CSV file at `path` as soon as it is known.

    Points that the file answers already are not measured again. `done` is called with every row and whether the file
    had it. `address` is that of a Dask scheduler; None starts one here.
    """
    before = read_rows(path)
    answers = {point: row for point in points for row in before if row.answers(point)}
    for row in answers.values():
        done(row, True)
    left = [point for point in dict.fromkeys(points) if point not in answers]
    if left:
        measured = _on_dask(left, jobs, address, measure) if scheduler is Scheduler.DASK else _here(left, jobs, measure)
        for point, row in measured:
            append_row(path, row)
            answers[point] = row
            done(row, False)
    rows = [answers[point] for point in dict.fromkeys(points)]
    asked = {(row.model, row.target, row.sparsity) for row in rows}
    write_rows(path, [*rows, *(row for row in before if (row.model, row.target, row.sparsity) not in asked)])
    return rows


def _here(points: Sequence[Point], jobs: int, measure: Measure) -> Iterator[tuple[Point, Row]]:
    lost: list[Point] = []
    with _pool(jobs) as pool:
        futures = {pool.submit(measure, point): point for point in points}
        for future in as_completed(futures):
            try:
                row = future.result()
            except BrokenProcessPool:
                lost.append(futures[future])
                continue
            yield futures[future], row
    for point in lost:
        with _pool(1) as pool:
            try:
                row = pool.submit(measure, point).result()
            except BrokenProcessPool as error:
                row = unmeasured(point, f"the process that measured it died, perhaps for want of memory: {error}")
        yield point, row


def _pool(jobs: int) -> ProcessPoolExecutor:
    # forking would copy threads of the libraries in an unknown state
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))


def _on_dask(points: Sequence[Point], jobs: int, address: str | None, measure: Measure) -> Iterator[tuple[Point, Row]]:
    try:
        distributed: Any = import_module("distributed")
    except ModuleNotFoundError as error:
        raise InputError(
            "the scheduler dask needs distributed, which is not installed: pip install 'blockloom[dask]'"
        ) from error
    where = {"n_workers": jobs, "threads_per_worker": 1} if address is None else {"address": address}
    with distributed.Client(**where) as client:
        futures = {client.submit(measure, point, pure=False): point for point in points}
        for future in distributed.as_completed(futures):
            error = future.exception()
            if isinstance(error, distributed.scheduler.KilledWorker):
                yield futures[future], unmeasured(futures[future], f"the worker that measured it died: {error}")
            else:
                yield futures[future], future.result()
