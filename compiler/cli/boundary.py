"""
Where exceptions end: a mistake of the user becomes one message and exit code 2, a defect of ours keeps its traceback.

`BLOCKLOOM_DEBUG=1` shows the traceback behind a message too.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from xdsl.utils.exceptions import ArgSpecParseError, DiagnosticException, ParseError

from compiler.debug import TRACEBACKS, debug_level
from compiler.errors import BlockloomError

BAD_INPUT = 2


def run_tool(name: str, tool: Callable[[], int], *, user_writes_ir: bool = False) -> int:
    """
    The exit code of `tool`, or 2 after printing what was wrong with its input.

    Where the user writes the IR, a module that does not verify is a mistake in the input too; elsewhere it is ours.
    """
    show_traceback = False
    try:
        show_traceback = debug_level() >= TRACEBACKS
        code = tool()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader of standard output has gone (`| head`); there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
    except (BlockloomError, OSError, ParseError, ArgSpecParseError, DiagnosticException) as error:
        if isinstance(error, DiagnosticException) and not user_writes_ir:
            raise
        print(f"{name}: {_message(error)}", file=sys.stderr)
        if show_traceback:
            traceback.print_exception(error)
        return BAD_INPUT


def _message(error: BaseException) -> str:
    """What was wrong, and on lines of their own the notes that were added on the way up."""
    message = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.filename is not None:
        message = f"cannot use '{error.filename}': {error.strerror}"
    return "\n".join((message, *getattr(error, "__notes__", ())))
