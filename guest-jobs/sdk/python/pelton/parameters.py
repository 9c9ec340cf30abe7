"""A job's settings, read by type, with errors that name the parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, overload

T = TypeVar("T")


class Parameters:
    """The parameters of a job, every declared one with its value."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    @overload
    def get(self, name: str) -> str: ...
    @overload
    def get(self, name: str, read: Callable[[str], T]) -> T: ...
    def get(self, name: str, read: Callable[[str], object] = str) -> object:
        """The value of a parameter, as text or read by ``float``, ``int``, ``bool`` (``true`` or ``false``) or any other
        function of text.

        Raises :class:`ValueError` where the value can't be read, or the job's spec does not declare the parameter.
        """
        try:
            value = self._values[name]
        except KeyError:
            raise ValueError(f"the job reads parameter `{name}`, which its spec does not declare") from None
        try:
            return _boolean(value) if read is bool else read(value)
        except ValueError as error:
            kind = getattr(read, "__name__", "that")
            raise ValueError(f"parameter `{name}`: cannot read `{value}` as {kind}: {error}") from None


def _boolean(value: str) -> bool:
    # bool("false") is true.
    if value not in ("true", "false"):
        raise ValueError("neither `true` nor `false`")
    return value == "true"
