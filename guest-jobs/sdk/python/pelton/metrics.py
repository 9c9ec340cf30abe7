"""A job's own metrics, shown on the host's ``/metrics`` with the job's name. Each call crosses into the host: count per
event that matters, not per record. Names match ``[a-zA-Z_][a-zA-Z0-9_]*``. Under pytest they go to the test's run."""

from __future__ import annotations

from collections.abc import Callable


def _nowhere(name: str, value: float) -> None:
    pass


_count: Callable[[str, int], None] = _nowhere
_gauge: Callable[[str, float], None] = _nowhere
"""Where metrics go; :mod:`pelton.component` and :mod:`pelton.testing` set them."""


def count(name: str, increment: int = 1) -> None:
    """Adds to a counter; ``increment`` is not negative."""
    _count(name, increment)


def gauge(name: str, value: float) -> None:
    """Sets a gauge."""
    _gauge(name, value)
