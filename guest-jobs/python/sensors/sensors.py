"""The sensor readings of the example jobs: parsed, checked, and printed as the article's ``json.dumps`` prints them.

Both jobs agree on what is a reading: a record that one of them rejects, the other rejects for the same reason.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime, timedelta, timezone
from json.encoder import encode_basestring_ascii as quote
from typing import NamedTuple

from pelton import Record, Reject


class Reading(NamedTuple):
    """A reading that every sink can take."""

    message_id: str
    """Its id; holds no NUL."""
    sensor_id: int
    """The sensor, within the range of Postgres's INT."""
    message: str
    """The measured values: a JSON object with the spacing of ``json.dumps``, its strings and numbers as the source wrote
    them; holds no NUL, not even escaped."""
    temperature: float
    """Degrees Celsius, from ``message``; finite."""
    timestamp: str
    """When, as the source wrote it."""
    microseconds: int
    """When, in microseconds since 1970-01-01 00:00:00 UTC."""

    def alert(self) -> str:
        """The alert on this reading, as the article's job makes it with ``json.dumps``."""
        return (
            f'{{"message_id": {quote(self.message_id)}, "sensor_id": {self.sensor_id}, "temperature": {self.temperature!r}, '
            f'"alert": "High temperature detected", "timestamp": {quote(self.timestamp)}}}'
        )


_NUMBER = r"-?(?:0|[1-9][0-9]{0,14}+)\.[0-9]{1,17}+"
# A reading as `json.dumps` prints it, with all of its fields and no other. Nearly all are such, and one match costs less
# than half of what it takes to parse.
_PRINTED = re.compile(
    r'\{"message_id": "([ !#-\[\]-~]*+)", "sensor_id": ([1-9][0-9]{0,8}+), '
    rf'"message": (\{{"temperature": ({_NUMBER}), "pressure": {_NUMBER}, "vibration": {_NUMBER}\}}), '
    r'"timestamp": "([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]\.[0-9]{6}\+00:00)"\}'
).fullmatch
_new = tuple.__new__


def parse(record: Record) -> Reading:
    """Reads the value of a record. Fields that it doesn't know are ignored; of a field that comes twice the last counts.

    Rejects it where it is no JSON, or a field is missing or can't be used; the reason says which.
    """
    text = record.text()
    printed = _PRINTED(text)
    if printed is None:
        return _parse_any(record, text)
    message_id, sensor_id, message, temperature, timestamp = printed.groups()
    minute = _minutes.get(timestamp[:16]) or _minute(timestamp[:16])
    if minute is None:
        return _parse_any(record, text)
    microseconds = minute + int(timestamp[17:19] + timestamp[20:26])
    # In C: a NamedTuple's own constructor is a function of Python.
    return _new(Reading, (message_id, int(sensor_id), message, float(temperature), timestamp, microseconds))


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_minutes: dict[str, int] = {}
"""Microseconds since 1970 of the last few minutes in UTC, such as ``2024-05-02T10:11``: readings come many in one."""


def _minute(text: str) -> int | None:
    try:
        start = datetime.fromisoformat(f"{text}+00:00")
    except ValueError:
        return None
    if len(_minutes) == 64:
        _minutes.clear()
    return _minutes.setdefault(text, (start - _EPOCH) // _MICROSECOND)


def _parse_any(record: Record, text: str) -> Reading:
    if not isinstance(record.json(), dict):
        raise Reject("value is not a JSON object")
    fields = _members(_TOKEN.findall(text))
    message_id = _string("message_id", fields)
    if "\0" in message_id:
        raise Reject("`message_id` holds a NUL character")
    message = _field("message", fields, "value")
    if message[0] != "{":
        raise _wrong("message", "not a JSON object", _spaced(message))
    if any(map(_ESCAPED_NUL, message)):
        raise Reject("`message` holds a NUL character")
    temperature = _spaced(_field("temperature", _members(message), "`message`"))
    timestamp = _string("timestamp", fields)
    microseconds = microseconds_of(timestamp)
    if microseconds is None:
        raise _wrong("timestamp", "not a time with offset (RFC 3339)", _spaced(fields["timestamp"]))
    sensor_id = _integer("sensor_id", _spaced(_field("sensor_id", fields, "value")))
    return Reading(message_id, sensor_id, _spaced(message), _number(temperature), timestamp, microseconds)


# The tokens of what is known to be JSON.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]:,]|[^\s"{}\[\]:,]++')
_ESCAPED_NUL = re.compile(r'"(?:[^\\]|\\[^u]|\\u(?!0000))*?\\u0000').match


def _members(tokens: list[str]) -> dict[str, list[str]]:
    """The tokens of each member of an object, by its name."""
    members = {}
    at = 1
    while tokens[at] != "}":
        name, start = json.loads(tokens[at]), at + 2
        at, depth = start, 0
        while depth or tokens[at] not in (",", "}"):
            depth += (tokens[at] in ("{", "[")) - (tokens[at] in ("}", "]"))
            at += 1
        members[name] = tokens[start:at]
        at += tokens[at] == ","
    return members


def _spaced(tokens: list[str]) -> str:
    """JSON as it was written, with the spacing of ``json.dumps``."""
    return "".join([f"{token} " if token in (",", ":") else token for token in tokens])


def _field(name: str, fields: dict[str, list[str]], place: str) -> list[str]:
    if name not in fields:
        raise Reject(f"missing field `{name}` in {place}")
    return fields[name]


def _string(name: str, fields: dict[str, list[str]]) -> str:
    field = _field(name, fields, "value")[0]
    if field[0] != '"':
        raise _wrong(name, "not a string", _spaced(fields[name]))
    text: str = json.loads(field)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _wrong(name, "not valid Unicode", field)
    return text


def _integer(name: str, field: str) -> int:
    if not re.fullmatch("-?[0-9]+", field):
        raise _wrong(name, "not an integer", field)
    # Ten digits hold any INT, and Python refuses to read thousands of them.
    if len(field) > 11 or not -(2**31) <= int(field) < 2**31:
        raise _wrong(name, "beyond the range of INT", field)
    return int(field)


def _number(field: str) -> float:
    if field[0] not in "-0123456789":
        raise _wrong("temperature", "not a number", field)
    if math.isinf(float(field)):
        raise _wrong("temperature", "beyond the range of a double", field)
    return float(field)


_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(Z|z|[+-][0-9]{2}:[0-5][0-9])"
).fullmatch


def microseconds_of(text: str) -> int | None:
    """Microseconds since 1970-01-01 00:00:00 UTC of a time as RFC 3339 writes it; nothing where the text is none, or of
    a year outside 1 to 9999. Digits beyond the microsecond are cut off; second 60 is the first of the next minute."""
    time = _TIME(text)
    if time is None:
        return None
    day, minute, second, fraction, zone = time.groups(default="0")
    if int(second) > 60:
        return None
    try:
        start = datetime.fromisoformat(f"{day}T{minute}:00{zone.upper()}")
    except ValueError:
        return None
    return (start - _EPOCH) // _MICROSECOND + int(second) * 1_000_000 + int(f"{fraction:0<6}"[:6])


def _wrong(name: str, what: str, text: str) -> Reject:
    """Names the field, and shows the beginning of what it holds."""
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    return Reject(f"`{name}` is {what}: {shown}")
