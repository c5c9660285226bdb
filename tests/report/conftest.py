"""One small real network, compiled with and without zero blocks, for all tests of the report."""

import pytest

from compiler.api import Compilation, compile_model
from compiler.report import Measured, measure

NETWORK, TARGET = "zoo:squeezenet@64", "mesh-2x2"


@pytest.fixture(scope="session")
def sparse() -> Compilation:
    return compile_model(NETWORK, target=TARGET, sparsity=0.5)


@pytest.fixture(scope="session")
def dense() -> Compilation:
    return compile_model(NETWORK, target=TARGET)


@pytest.fixture(scope="session")
def measured(sparse: Compilation) -> Measured:
    return measure(NETWORK, 0.5, "inputs drawn from seed 0", sparse.modules)
