"""Exploring: every point becomes a row, whatever happens to it; rows are on disk at once and are not measured twice."""

import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from compiler.api import compile_model
from compiler.errors import InputError
from compiler.explore import Point, Row, Scheduler, explore, run
from compiler.explore.pictures import write_pictures
from compiler.explore.point import measure, products
from compiler.explore.published import published_ms
from compiler.explore.store import COLUMNS, append_row, read_rows
from compiler.hardware.chip import chip_named

POINTS = [Point("zoo:a", f"mesh-{n}x{n}", sparsity, True) for n in (1, 2) for sparsity in (0.0, 0.5)]
NETWORK = "zoo:squeezenet@64"


def found(point: Point) -> Row:
    """Numbers without measuring."""
    cycles = 1000 // chip_named(point.target).columns
    return Row(point.model, point.target, point.sparsity, cycles, cycles + 1, cycles // 2, 10, 20, 1, None, 0.1)


class Measured:
    """Counts which points are measured; the first `failing` points have errors."""

    def __init__(self, failing: int = 0):
        self.points: list[Point] = []
        self.failing = failing

    def __call__(self, point: Point) -> Row:
        self.points.append(point)
        if point in POINTS[: self.failing]:
            return Row(point.model, point.target, point.sparsity, error="does not fit: 2 bytes, of 1")
        return found(point)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads instead of processes: what is measured here cannot travel."""
    monkeypatch.setattr(run, "_pool", ThreadPoolExecutor)


@pytest.mark.usefixtures("threads")
def test_a_second_run_measures_only_what_is_missing_or_failed(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    first = Measured(failing=1)
    rows = explore(POINTS[:3], path, jobs=2, measure=first)
    assert [row.error != "" for row in rows] == [True, False, False]
    second = Measured()
    known: list[bool] = []
    rows = explore(POINTS, path, jobs=2, measure=second, done=lambda row, before: known.append(before))
    assert set(second.points) == {POINTS[0], POINTS[3]}
    assert sorted(known) == [False, False, True, True]
    assert rows == [found(point) for point in POINTS] == read_rows(path)


@pytest.mark.usefixtures("threads")
def test_an_estimate_does_not_answer_for_a_simulation(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    append_row(path, Row("zoo:a", "mesh-1x1", 0.0, estimated_array_cycles=7))
    measured = Measured()
    explore([Point("zoo:a", "mesh-1x1", 0.0, False)], path, jobs=1, measure=measured)
    assert measured.points == []
    explore([Point("zoo:a", "mesh-1x1", 0.0, True)], path, jobs=1, measure=measured)
    assert len(measured.points) == 1


@pytest.mark.usefixtures("threads")
def test_rows_of_other_points_stay(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    explore(POINTS[:2], path, jobs=1, measure=Measured())
    explore(POINTS[2:], path, jobs=1, measure=Measured())
    assert {row.target for row in read_rows(path)} == {"mesh-1x1", "mesh-2x2"}


@pytest.mark.usefixtures("threads")
def test_rows_are_on_disk_before_the_next_one(tmp_path: Path) -> None:
    """A run that is stopped keeps what it had, and a line cut short is not taken for a row."""
    path = tmp_path / "results.csv"

    def stop(row: Row, known: bool) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explore(POINTS, path, jobs=1, measure=Measured(), done=stop)
    assert len(read_rows(path)) == 1
    with path.open("a") as file:
        file.write("zoo:a,mesh-2")
    assert len(read_rows(path)) == 1


class DyingPool:
    """A pool that breaks as a whole; a pool of one breaks only with the guilty point."""

    def __init__(self, jobs: int):
        self.jobs = jobs

    def __enter__(self) -> "DyingPool":
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def submit(self, measure: Callable[[Point], Row], point: Point) -> "Future[Row]":
        future: Future[Row] = Future()
        if self.jobs > 1 or point == POINTS[2]:
            future.set_exception(BrokenProcessPool("a process was terminated"))
        else:
            future.set_result(measure(point))
        return future


def test_a_process_that_dies_costs_only_its_own_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_pool", DyingPool)
    rows = explore(POINTS, tmp_path / "results.csv", jobs=2, measure=Measured())
    assert [row.error.startswith("the process that measured it died") for row in rows] == [False, False, True, False]


def test_measuring_says_the_same_as_compiling() -> None:
    compilation = compile_model(NETWORK, target="mesh-2x2", sparsity=0.5, until="mem")
    row = measure(Point(NETWORK, "mesh-2x2", 0.5, simulated=False))
    assert row.estimated_array_cycles == compilation.estimate().array_cycles
    assert row.ideal_mac_cycles == -(-products(compilation.modules["bsr"]) // (4 * 256))
    assert row.ideal_mac_cycles < row.estimated_array_cycles
    assert row.host_segments == len(compilation.host)
    assert (row.simulated_array_cycles, row.ddr_read_bytes, row.error) == (None, None, "")


def test_bytes_from_ddr_are_those_of_the_weights_too() -> None:
    row = measure(Point(NETWORK, "mesh-1x2", 0.0, simulated=True))
    simulation = compile_model(NETWORK, target="mesh-1x2").simulate()
    own = sum(segment.ddr_read_bytes for segment in simulation.segments)
    assert row.simulated_array_cycles == simulation.array_cycles
    assert row.ddr_read_bytes == own + simulation.weights_bytes > own
    assert row.ddr_written_bytes == sum(segment.ddr_written_bytes for segment in simulation.segments)


def test_what_cannot_be_compiled_is_a_row() -> None:
    row = measure(Point("zoo:nothing", "mesh-2x2", 0.0, simulated=True))
    assert "the zoo has no network 'nothing'" in row.error
    assert row.simulated_array_cycles is None


def test_published_times_stand_beside_what_they_are_of() -> None:
    """Numbers of the published table; failed runs, other sizes and other sparsities have none."""
    assert published_ms("zoo:resnet50", "mesh-4x4", 0.0) == published_ms("zoo:resnet50", "npu1", 0.0) == 10.773
    assert published_ms("zoo:vgg16", "mesh-8x8", 0.5) == 6.502
    assert published_ms("zoo:resnet50", "mesh-5x5", 0.0) is None
    assert published_ms("zoo:resnet50@64", "mesh-4x4", 0.0) is None
    assert published_ms("zoo:resnet50", "mesh-4x4", 0.25) is None
    assert published_ms("resnet50.onnx", "mesh-4x4", 0.0) is None


def test_pictures_have_axes_with_units_and_say_what_they_show(tmp_path: Path) -> None:
    rows = [found(point) for point in POINTS] + [Row("zoo:b", "mesh-1x1", 0.0, error="no")]
    (picture,) = write_pictures(rows, tmp_path)
    assert picture == tmp_path / "a.svg"
    text = " ".join("".join(element.itertext()).strip() for element in ElementTree.parse(picture).iter())
    for shown in (
        "cores of the array",
        "cycles of the array clock",
        "50 % of the blocks pruned",
        "Dotted: time published",
    ):
        assert shown in text
    before = picture.read_bytes()
    write_pictures(rows, tmp_path)
    assert picture.read_bytes() == before


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="has the columns a,b, an exploration writes model,"):
        read_rows(path)
    path.write_text(",".join(COLUMNS) + "\nzoo:a,mesh-1x1,0.0,many" + "," * (len(COLUMNS) - 4) + "\n")
    with pytest.raises(InputError, match="line 2: invalid literal"):
        read_rows(path)


def test_dask_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'blockloom\[dask\]'"):
        explore(POINTS, tmp_path / "results.csv", jobs=1, scheduler=Scheduler.DASK)


def test_a_worker_of_dask_that_dies_costs_only_its_own_row(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="an extra: pip install 'blockloom[dask]'")
    guilty, *others = POINTS[:3]

    def measured(point: Point) -> Row:
        """Defined here, so that it travels as code: the workers cannot import this file."""
        if point == guilty:
            os._exit(1)
        return Row(point.model, point.target, point.sparsity, estimated_array_cycles=os.getpid())

    rows = explore(POINTS[:3], tmp_path / "results.csv", jobs=1, scheduler=Scheduler.DASK, measure=measured)
    assert rows[0].error.startswith("the worker that measured it died")
    assert [row.target for row in rows[1:]] == [point.target for point in others]
    assert os.getpid() not in {row.estimated_array_cycles for row in rows}
