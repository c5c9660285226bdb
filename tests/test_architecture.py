"""The rules of the code that a machine can hold: layers, types, lint, format, names. Plain `pytest` checks them all."""

import subprocess
import sys
from pathlib import Path

import pytest
from xdsl.universe import XDSL_UNIVERSE, Universe

import compiler
from compiler.registry import DIALECTS, available_dialects, available_passes

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str) -> None:
    """Run a tool of this environment in the project and show what it printed when it fails."""
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"


def test_imports_go_down_only() -> None:
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_lint() -> None:
    run("ruff", "check", ".")


def test_format() -> None:
    run("ruff", "format", "--check", ".")


def test_types() -> None:
    run("pyright", "--pythonpath", sys.executable)


def test_the_package_says_what_it_does_not_have() -> None:
    with pytest.raises(AttributeError, match="module 'compiler' has no attribute 'compile'"):
        _ = compiler.compile


@pytest.mark.parametrize("name", sorted(available_passes()))
def test_pass_is_named_after_its_file_and_says_what_it_does(name: str) -> None:
    module_pass = available_passes()[name]()
    assert module_pass.name == name
    assert module_pass.__doc__ is not None, f"{name} has no docstring"
    assert not module_pass.__doc__.startswith(f"{module_pass.__name__}("), f"{name} has no docstring of its own"


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_dialect_has_the_name_it_is_found_by(name: str) -> None:
    assert available_dialects()[name]().name == name


def test_stock_tool_finds_our_names_beside_its_own() -> None:
    """`get_multiverse` raises when two universes define one name, so this also proves that ours are free."""
    multiverse = Universe.get_multiverse()
    assert set(DIALECTS) <= set(multiverse.all_dialects)
    assert set(available_passes()) <= set(multiverse.all_passes)
    assert not set(DIALECTS) & set(XDSL_UNIVERSE.all_dialects)
