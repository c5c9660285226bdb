"""
`BLOCKLOOM_DEBUG=0..4`: one ladder, each rung includes those below it.

| level | what it adds |
|---|---|
| 0 | nothing: one clear message for a mistake in the input |
| 1 | the Python traceback behind that message |
| 2 | one line per pass with its time, on standard error |
| 3 | the module is verified after every pass, so that the pass that broke it is named |
| 4 | the module after every pass that changed it, on standard error |
"""

from __future__ import annotations

import os

from compiler.errors import InputError

VARIABLE = "BLOCKLOOM_DEBUG"
TRACEBACKS = 1
PASS_TIMES = 2
VERIFY_EACH = 3
PRINT_CHANGES = 4


def debug_level() -> int:
    """The level in the environment; 0 when it is absent or empty."""
    text = os.environ.get(VARIABLE, "") or "0"
    if text not in {"0", "1", "2", "3", "4"}:
        raise InputError(f"{VARIABLE} is one of 0, 1, 2, 3, 4; it is '{text}'")
    return int(text)
