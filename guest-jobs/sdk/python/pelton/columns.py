"""Values of rows, column by column: checked against the declared type, and turned into what crosses.

A column is looked at as a whole, mostly in C. Only where something is unusual (nulls, dates, a value that does not fit)
is each value looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from .contract import Column, Packed
from .packed import pack, pack_numbers, pack_text, validity_of
from .spec import Type

Value: TypeAlias = bool | int | float | str | bytes | Decimal | datetime | date | UUID | None
"""A value of a row. ``None`` is NULL; else each type takes:

- ``boolean``: ``bool`` · ``int2``, ``int4``, ``int8``: ``int`` within their range · ``float4``, ``float8``: ``float`` or ``int``
- ``numeric``: ``Decimal``, ``int``, or decimal text such as ``"-12.50"`` · ``text``, ``varchar``: ``str``
- ``json``, ``jsonb``: JSON text, as ``json.dumps`` makes it · ``bytea``: ``bytes`` · ``uuid``: ``UUID`` or 16 bytes
- ``timestamptz``: an aware ``datetime``, or ``int`` microseconds since 1970-01-01 00:00:00 UTC
- ``timestamp``: a naive ``datetime``, or ``int`` microseconds since 1970-01-01 00:00:00
- ``date``: ``date``, or ``int`` days since 1970-01-01
"""


class Refused(Exception):
    """A column does not take the value at ``row``; the text says what it takes."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row = row


class _Wrong(Exception):
    """A value does not fit; the text names it. Nothing for its type."""


_UTC = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NAIVE = datetime(1970, 1, 1)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)


def _boolean(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    raise _Wrong


def _integer(bits: int) -> Callable[[Value], int]:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def check(value: Value) -> int:
        if not isinstance(value, int):
            raise _Wrong
        if not low <= value <= high:
            raise _Wrong(str(value))
        return int(value)

    return check


def _float(value: Value) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _Wrong
    try:
        return float(value)
    except OverflowError:
        raise _Wrong(str(value)) from None


def _float4(value: Value) -> float:
    number = _float(value)
    try:
        struct.pack("<f", number)
    except OverflowError:
        raise _Wrong(str(value)) from None
    return number


def _text(value: Value) -> bytes:
    if not isinstance(value, str):
        raise _Wrong
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise _Wrong("text with half a surrogate pair") from None


def _numeric(value: Value) -> bytes:
    if isinstance(value, (Decimal, int)) and not isinstance(value, bool):
        return str(value).encode()
    return _text(value)


def _bytes(value: Value) -> bytes:
    if isinstance(value, bytes):
        return value
    raise _Wrong


def _uuid(value: Value) -> bytes:
    if isinstance(value, UUID):
        return value.bytes
    if len(_bytes(value)) != 16:
        raise _Wrong(f"{len(_bytes(value))} bytes")
    return _bytes(value)


def _timestamptz(value: Value) -> int:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise _Wrong("a datetime without timezone")
        return (value - _UTC) // _MICROSECOND
    return _int8(value)


def _timestamp(value: Value) -> int:
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise _Wrong("a datetime with timezone")
        return (value - _NAIVE) // _MICROSECOND
    return _int8(value)


def _date(value: Value) -> int:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.toordinal() - _EPOCH_DAY
    return _int4(value)


_int2, _int4, _int8 = _integer(16), _integer(32), _integer(64)

_TYPES: dict[Type, tuple[str, Callable[[Value], Any], str]] = {
    "boolean": ("booleans", _boolean, "a bool"),
    "int2": ("int16s", _int2, "an int of 16 bits"),
    "int4": ("int32s", _int4, "an int of 32 bits"),
    "int8": ("int64s", _int8, "an int of 64 bits"),
    "float4": ("float32s", _float4, "a float of 32 bits"),
    "float8": ("float64s", _float, "a float"),
    "numeric": ("packed", _numeric, "a Decimal, an int or decimal text"),
    "text": ("packed", _text, "a str"),
    "varchar": ("packed", _text, "a str"),
    "bytea": ("packed", _bytes, "bytes"),
    "timestamptz": ("int64s", _timestamptz, "a datetime with timezone or an int (microseconds since 1970 UTC)"),
    "timestamp": ("int64s", _timestamp, "a datetime without timezone or an int (microseconds since 1970)"),
    "date": ("int32s", _date, "a date or an int (days since 1970-01-01)"),
    "uuid": ("packed", _uuid, "a UUID or 16 bytes"),
    "json": ("packed", _text, "a str"),
    "jsonb": ("packed", _text, "a str"),
}
"""For each type what carries it, what turns a value into that, and what an author calls the values that it takes."""

CODES = {"booleans": "?", "int16s": "h", "int32s": "i", "int64s": "q", "float32s": "f", "float64s": "d"}
"""What :mod:`struct` calls the carriers."""


def column(kind: Type, values: Sequence[Value]) -> Column:
    """What crosses of a column with these values, of which there is at least one. Raises :class:`Refused`."""
    carrier, check, takes = _TYPES[kind]
    quick = _quick(carrier, check, values)
    if quick is not None:
        return Column(b"", carrier, quick)
    null = b"" if carrier == "packed" else 0
    data: list[Any] = []
    for row, value in enumerate(values):
        try:
            data.append(null if value is None else check(value))
        except _Wrong as wrong:
            what = str(wrong) or type(value).__name__
            raise Refused(row, f"{kind} and takes {takes}, not {what}") from None
    return Column(validity_of(values), carrier, pack(data) if carrier == "packed" else pack_numbers(CODES[carrier], data))


def _quick(carrier: str, check: object, values: Sequence[Any]) -> bytes | Packed | None:
    """What crosses where all values are of the plainest type and fit. Each step is one pass in C, which fails where a
    value is another."""
    try:
        if carrier in ("int16s", "int32s", "int64s") or carrier in ("float32s", "float64s") and set(map(type, values)) == {float}:
            return pack_numbers(CODES[carrier], values)
        if check is _text:
            return pack_text(values)
        if check is _bytes:
            return pack(values)
    except (struct.error, OverflowError, TypeError, UnicodeEncodeError):
        pass
    return None


def value_of(kind: Type, carried: Any) -> Value:
    """What a test sees of a value that crossed: ``int``, ``float``, ``bool``, ``str``, or ``bytes``."""
    return carried.decode() if isinstance(carried, bytes) and kind not in ("bytea", "uuid") else carried
