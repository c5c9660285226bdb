"""Compiling for this processor, and saying what is missing where that cannot be."""

import sys

import pytest

from compiler.cli.main import main
from compiler.jit import machine
from compiler.jit.machine import Library, MissingJitError, has_jit, this_processor
from compiler.jit.writer import Writer, module_text


@pytest.fixture
def without_llvmlite(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the extra."""
    machine.bindings.cache_clear()
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)


@pytest.mark.usefixtures("without_llvmlite")
def test_without_llvmlite_the_error_says_what_to_install() -> None:
    assert not has_jit()
    with pytest.raises(MissingJitError, match=r"llvmlite, which is not installed: pip install 'blockloom\[jit\]'"):
        this_processor()


@pytest.mark.usefixtures("without_llvmlite")
def test_run_on_host_refuses_before_it_compiles_anything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--on", "host", "no-such-model.onnx"]) == 2
    assert "run --on host needs llvmlite" in capsys.readouterr().err


@pytest.mark.skipif(not has_jit(), reason="llvmlite is an extra")
def test_a_loop_carries_its_values() -> None:
    import ctypes

    body = Writer("triangle", [("i64", "count")], "i64")
    with body.loop(0, "%count", carried=[("i64", "5")]) as loop:
        loop.carry(body.emit(f"add i64 {loop.values[0]}, {loop.index}"))
    body.do(f"ret i64 {loop.values[0]}")
    triangle = Library(module_text([body.written()])).function("triangle", [ctypes.c_int64], ctypes.c_int64)
    assert [triangle(count) for count in (-3, 0, 1, 4)] == [5, 5, 5, 11]
