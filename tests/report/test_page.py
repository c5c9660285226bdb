"""The report of a small real network: a page that needs nothing from outside, with pictures that say what they show."""

import json
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from compiler.api import Compilation
from compiler.cli.main import main
from compiler.errors import InputError
from compiler.report import Measured, trace_path
from compiler.report.page import page
from compiler.report.picture import label_numbers
from compiler.report.tables import host_table

SECTIONS = ("time", "memory", "roofline", "sparsity", "array", "layers", "host", "basis")
FIGURES = {
    "segments": ("core time (%)", "thousand cycles of the array clock"),
    "cores": ("core", "thousand cycles of the array clock"),
    "zoom": ("core", "DDR bytes per cycle", "thousand cycles of the array clock"),
    "memory": ("address in each MemTile (KiB)", "thousand cycles of the array clock"),
    "ddr": ("DDR bytes per cycle", "thousand cycles of the array clock"),
    "roofline": ("MACs per cycle", "MACs per byte between DDR and the array"),
    "sparsity": ("% of sparsity 0", "thousand cycles of the array clock, layers with weights at sparsity 0"),
    "array": ("DDR, shim 0", "MemTile 1", "(1, 1)"),
}
"""Every picture, with what its axes say; the last one is a drawing."""
VOID = {"meta", "br", "img"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split()
QUIET += "--disable-component-update --disable-sync --hide-scrollbars".split()


class Page(HTMLParser):
    """Checks that elements are closed in order, and keeps what the tests ask for."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def file(sparse: Compilation, dense: Compilation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    sparse.report(path, against=dense)
    return path


@pytest.fixture(scope="module")
def text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def figure(text: str, name: str) -> str:
    found = re.search(rf'<figure id="figure-{name}">(.*?)</figure>', text, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_page_is_well_formed_and_its_links_lead_somewhere(text: str) -> None:
    page = Page(text)
    repeated = [name for name, count in Counter(page.ids).items() if count > 1]
    assert repeated == []
    targets = [value[1:] for name, value in page.attributes if name in ("href", "xlink:href") and value[0] == "#"]
    targets += re.findall(r"url\(#([^)]*)\)", text)
    assert set(targets) <= set(page.ids)
    assert [name for name in page.ids if name in SECTIONS] == list(SECTIONS)


def test_nothing_comes_from_outside(text: str) -> None:
    page = Page(text)
    assert "http" not in text
    assert not page.tags.keys() & {"script", "link", "iframe", "object", "embed", "img"}
    assert all(name != "src" for name, _ in page.attributes)
    assert all(value.startswith(("#", "data:image/png;")) for name, value in page.attributes if name.endswith("href"))
    assert "@import" not in text
    assert re.findall(r"url\([^#]", text) == []


@pytest.mark.parametrize("name", FIGURES)
def test_every_picture_has_a_title_its_axes_and_a_caption(text: str, name: str) -> None:
    body = figure(text, name)
    title = re.search(r"<h3>(.*?)</h3>", body)
    caption = re.search(r"<figcaption>(.*?)</figcaption>", body, re.DOTALL)
    assert title is not None
    assert caption is not None
    assert f'aria-label="{title[1]}"' in body
    assert len(caption[1].split()) > 25
    written = re.findall(r"<text[^>]*>([^<]*)</text>", body)
    assert set(FIGURES[name]) <= set(written)
    assert "mathdefault" not in body


def test_the_page_has_a_row_for_every_segment_and_the_totals_of_the_simulation(text: str, measured: Measured) -> None:
    layers = text[text.index('<section id="layers">') : text.index('<section id="host">')]
    assert layers.count("<tr>") == len(measured.layers) + 1
    assert all(f'<td class="name">{row.name}</td>' in layers for row in measured.layers)
    assert f"{measured.simulation.array_cycles:,} cycles" in text
    assert f"{measured.simulation.total_cycles:,}" in text
    assert all(part.reason.replace("'", "&#x27;") in text for part in measured.host)


def test_without_a_second_compilation_the_page_says_how_to_get_one(measured: Measured) -> None:
    alone = page(measured)
    Page(alone)
    assert "blockloom report MODEL --against 0" in alone
    assert "figure-sparsity" not in alone


def test_names_from_the_model_are_text(measured: Measured) -> None:
    strange = "<script>alert('$x^2$ & \"y\"')</script>" + 200 * "é"
    first = measured.layers[0]
    renamed = replace(first, time=replace(first.time, name=strange))
    shown = page(replace(measured, model=strange, layers=(renamed, *measured.layers[1:])))
    assert Page(shown).tags["script"] == 0


def test_a_network_without_host_segments_says_so(measured: Measured) -> None:
    assert "Everything runs on the array" in host_table(replace(measured, host=()))


def test_the_same_network_gives_the_same_page(text: str, file: Path, sparse: Compilation, dense: Compilation) -> None:
    again = file.with_name("again.html")
    sparse.report(again, against=dense)
    assert again.read_text(encoding="utf-8") == text


def test_the_trace_lies_beside_the_page(file: Path) -> None:
    trace = json.loads(trace_path(file).read_text(encoding="utf-8"))
    rows = {event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "thread_name"}
    assert {"segments", "controller", "MM2S 1 of tile (0, 0)"} <= rows
    assert sum(name.startswith("core (") for name in rows) == 4


def test_the_command_writes_the_page_and_prints_the_longest_segments(
    dense: Compilation,
    measured: Measured,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, file = dense.save(tmp_path / "out"), tmp_path / "deep" / "page.html"
    assert main(["report", str(out), "--against", "most", "-o", str(file)]) == 2
    assert "neither" in capsys.readouterr().err
    assert main(["report", str(out), "--against", str(out), "-o", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "MAC utilisation" in shown
    assert "longest segments" in shown
    assert str(file) in shown
    assert "1.00 times as fast" in file.read_text(encoding="utf-8")
    monkeypatch.setattr(Compilation, "report", lambda *_, **__: measured)
    assert main(["report", str(out), "--json", "-o", str(file)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["target"], answer["array_cycles"]) == ("mesh-2x2", measured.simulation.array_cycles)


def test_other_names_than_of_a_page_are_refused_before_anything_runs(tmp_path: Path) -> None:
    assert main(["report", "no such model", "-o", str(tmp_path / "report.pdf")]) == 2
    assert list(tmp_path.iterdir()) == []


def test_other_chips_and_other_networks_are_no_comparison(measured: Measured) -> None:
    with pytest.raises(InputError, match="needs one chip; here mesh-2x2, there npu1"):
        page(measured, replace(measured, chip=replace(measured.chip, name="npu1")))
    with pytest.raises(InputError, match="are different networks"):
        page(measured, replace(measured, layers=()))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_shows_the_page(file: Path, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    picture = tmp_path / "page.png"
    where = [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}", "--window-size=1300,2600"]
    subprocess.run([CHROMIUM, *QUIET, *where, file.as_uri()], check=True, capture_output=True, timeout=120)
    pixels = np.round(255 * imread(picture)[..., :3]).astype(int)
    for name, color in (("compute", (0x1F, 0x5F, 0x8B)), ("weights", (0xC4, 0x47, 0x2F)), ("ink", (0x22, 0x28, 0x2F))):
        share = np.mean(np.abs(pixels - color).max(axis=-1) < 6)
        assert share > 0.001, f"{name} is missing"


def test_a_short_logarithmic_axis_has_plain_numbers() -> None:
    """Within one power of ten matplotlib labels what lies between, by itself in mathematical notation."""
    figure = Figure()
    axes = figure.subplots()
    axes.set_yscale("log")
    axes.set_ylim(150, 900)
    label_numbers(axes.yaxis)
    figure.canvas.draw()
    written = [label.get_text() for label in axes.yaxis.get_minorticklabels()]
    assert {"200", "300", "400"} <= set(written)
    assert not any("$" in label for label in written)
