"""A record as a job sees it: a plain value, which may be kept after ``process`` has returned."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from json import JSONDecoder
from typing import Any, NamedTuple


class Reject(Exception):
    """Raised by ``process``: the job can't use this record. It goes to the dead letters with the reason, and the rest
    of the batch goes on. What was emitted for the record before stands, so check first and emit after."""


class Record(NamedTuple):
    """One record of a source."""

    key: bytes | None
    """The key; ``None`` where it is null."""
    value: bytes | None
    """The value; ``None`` where it is null, which makes the record a tombstone."""
    headers: tuple[tuple[str, bytes | None], ...]
    """Names and values, in order; a name may repeat. Empty where the source was declared without headers."""
    timestamp: int | None
    """The Kafka timestamp, milliseconds since 1970-01-01 00:00:00 UTC; ``None`` where the record has none."""
    partition: int
    """The Kafka partition number."""
    offset: int
    """The Kafka offset."""
    source: int
    """Which of the spec's sources the record is from: 0 for the first."""

    def text(self) -> str:
        """The value as text. Rejects a tombstone, an empty value, and one that is not UTF-8."""
        value = self.value
        if not value:
            raise Reject("value is null (a tombstone)" if value is None else "value is empty")
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise Reject(f"value is not UTF-8: invalid at byte {error.start}") from None

    def key_text(self) -> str | None:
        """The key as text; ``None`` where it is null. Rejects the record where the key is not UTF-8."""
        try:
            return None if self.key is None else self.key.decode()
        except UnicodeDecodeError as error:
            raise Reject(f"key is not UTF-8: invalid at byte {error.start}") from None

    def json(self) -> Any:
        """The value as JSON. Rejects what :meth:`text` does, and what is not JSON: also ``NaN`` and ``Infinity``, which
        Python's own ``json.loads`` lets pass. It takes half the time of that. Integers are exact, whatever their length."""
        return _read(self.text(), _scan, _decode)


def must_be_object(text: str) -> None:
    """Rejects what is not JSON, as :meth:`Record.json` does, and JSON of what is no object, without making anything of it."""
    if not isinstance(_read(text, _check, _check_all), dict):
        raise Reject("value is not a JSON object")


def _read(text: str, scan: Callable[[str, int], tuple[Any, int]], decode: Callable[[str], Any]) -> Any:
    if text.count("[") + text.count("{") > _MAX_DEPTH and _depth(text) > _MAX_DEPTH:
        raise Reject(f"value is not JSON: nested deeper than {_MAX_DEPTH}")
    try:
        # The scanner in C alone: blanks around the value are rare, and `decode` looks for them with two matches.
        value, end = scan(text, 0)
        if end == len(text):
            return value
    except (StopIteration, ValueError):
        pass
    try:
        return decode(text)
    except ValueError as error:
        raise Reject(f"value is not JSON: {error}") from None


_MAX_DEPTH = 128
"""How deep arrays and objects may lie in each other, as in the Rust jobs: the parser is recursive, and where the stack of
a component ends, it traps."""
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def _depth(text: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKETS.findall(text):
        depth += (bracket in ("[", "{")) - (bracket in ("]", "}"))
        deepest = max(deepest, depth)
    return deepest


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


_decoder = JSONDecoder(parse_constant=_no_constant)
_scan = _decoder.scan_once  # type: ignore[attr-defined]
_decode = _decoder.decode
# What only checks makes nothing of numbers.
_checker = JSONDecoder(parse_constant=_no_constant, parse_int=len, parse_float=len)
_check = _checker.scan_once  # type: ignore[attr-defined]
_check_all = _checker.decode
# A number of JSON has as many digits as it likes, and Python would raise an error beyond 4,300, when it reads one and when it
# prints one. What a record can hold, and the time of a call, are bounded by the host.
sys.set_int_max_str_digits(0)
