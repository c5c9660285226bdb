"""Work that makes very many objects which stay alive, such as a pass, a parse or a simulation."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def few_garbage_collections() -> Generator[None]:
    """IR is made in bulk and stays alive, so collecting every 700 objects doubles the time of a pass (measured)."""
    thresholds = gc.get_threshold()
    gc.set_threshold(200_000, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
