"""Lines for the job's log. The host cuts lines over 4 KiB and drops what goes beyond 100 a second, so log what an
operator needs, not every record. Under pytest they go to standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["trace", "debug", "info", "warn", "error"]


def _to_stderr(level: Level, message: str) -> None:
    print(f"{level}: {message}", file=sys.stderr)


_write: Callable[[Level, str], None] = _to_stderr
"""Where lines go; :mod:`pelton.component` and :mod:`pelton.testing` set it."""


def error(message: str) -> None:
    """Something failed, and an operator must act."""
    _write("error", message)


def warn(message: str) -> None:
    """Something is off, and the job goes on."""
    _write("warn", message)


def info(message: str) -> None:
    """Something worth knowing happened."""
    _write("info", message)


def debug(message: str) -> None:
    """Something that helps to find a fault."""
    _write("debug", message)


def trace(message: str) -> None:
    """Every step."""
    _write("trace", message)
