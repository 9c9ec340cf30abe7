"""Fields of a record's JSON, checked as the columns of Postgres need them.

>>> from pelton import Fields, Record
>>> READING = Fields(("id", "text"), ("inner.celsius", "float8"), ("note", "text", "nullable"))
>>> READING.read(Record(None, b'{"id": "a", "inner": {"celsius": 21.5}}', (), None, 0, 0, 0))
('a', 21.5, None)
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import Any, Literal

from . import shape
from .record import Record, Reject, must_be_object
from .times import microseconds

Kind = Literal["text", "int4", "int8", "float8", "boolean", "timestamptz", "object"]
"""What a field is read as:

- ``text``: a string without what Postgres refuses in text, NUL and half of a surrogate pair, as ``str``;
- ``int4``, ``int8``: an integer in the range of INT or BIGINT, written without point or exponent, as ``int``;
- ``float8``: a number that a double can hold, as ``float``;
- ``boolean``: ``bool``;
- ``timestamptz``: a string that is a time with an offset (RFC 3339), as microseconds since 1970-01-01 00:00:00 UTC;
- ``object``: the text of an object, its strings and numbers as they are written, spaced as ``json.dumps`` spaces it;
  it holds no NUL, not even escaped, which Postgres refuses in JSON.
"""

Path = tuple[str, Kind] | tuple[str, Kind, Literal["nullable"]]


class Fields:
    """Reads the same fields of many records.

    A path is a name, or several joined by dots that lead into objects; a name with a dot in it can't be reached. A path
    may be given twice, to be read as two kinds. With ``"nullable"`` it is ``None`` where it is missing or null.

    Records that are printed alike, as those of one source are, are read by one match of a regular expression, which is
    made for the first of them: that costs a fraction of parsing.
    """

    def __init__(self, *paths: Path) -> None:
        self._paths = [(path[0].split("."), path[1], len(path) > 2) for path in paths]
        self._misses = 0
        unknown = [kind for _, kind, _ in self._paths if kind not in _KINDS]
        if unknown:
            raise ValueError(f"a field is read as one of {', '.join(_KINDS)}, not {unknown[0]}")

    def read(self, record: Record) -> tuple[Any, ...]:
        """The fields of the record's value, in the order of the paths. Rejects what :meth:`Record.json` rejects, what is no
        object, and the first field that is missing or of another kind, with the beginning of what is there. Of a name
        that comes twice the last one counts."""
        return self._miss(record, record.text())

    def _miss(self, record: Record, text: str) -> tuple[Any, ...]:
        """Reads a record that is printed like none before, and goes by it from now on."""
        must_be_object(record.text())
        tokens = _TOKEN.findall(text)
        values = tuple(self._value(text, tokens, *path) for path in self._paths)
        self._misses += 1
        # Making the expression takes long, so it is made again only where twice as many records have missed it.
        if self._misses & (self._misses - 1) == 0:
            fast = shape.reader(text, tokens, self._paths, self._miss)
            if fast is not None:
                self.read = fast  # type: ignore[assignment, method-assign]
        return values

    def _value(self, text: str, tokens: list[str], path: list[str], kind: Kind, nullable: bool) -> Any:
        found: tuple[int, int] | None = (0, len(tokens))
        for name in path:
            found = _members(tokens, found[0]).get(name) if found and tokens[found[0]] == "{" else None
        if nullable and (found is None or tokens[found[0]] == "null"):
            return None
        if found is None:
            place = f"`{'.'.join(path[:-1])}`" if path[1:] else "value"
            raise Reject(f"missing field `{path[-1]}` in {place}")
        try:
            return _KINDS[kind](path[-1], tokens[slice(*found)])
        except _Wrong as wrong:
            # As it is written: the text from its first token to its last.
            places = [token.span() for token in _TOKEN.finditer(text)]
            source = text[places[found[0]][0] : places[found[1] - 1][1]]
            shown = source if len(source) <= 60 else f"{source[:60]}…"
            raise Reject(f"`{path[-1]}` is {wrong}: {shown}") from None


class _Wrong(Exception):
    """What a field is not, or beyond."""


quote = encode_basestring_ascii
"""A text as ``json.dumps`` prints it: to write JSON with an f-string, which takes a fifth of the time.

>>> name, degrees = "caf\u00e9", 31.0
>>> f'{{"name": {quote(name)}, "degrees": {degrees!r}}}'
'{"name": "caf\\\\u00e9", "degrees": 31.0}'
"""

# The tokens of what is known to be JSON.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]:,]|[^\s"{}\[\]:,]++')
_ESCAPED_NUL = re.compile(r'"(?:[^\\]|\\[^u]|\\u(?!0000))*?\\u0000').match


def _members(tokens: list[str], at: int) -> dict[str, tuple[int, int]]:
    """Where the tokens of each member of the object lie that begins there, by its name."""
    members = {}
    at += 1
    while tokens[at] != "}":
        name, start = json.loads(tokens[at]), at + 2
        at, depth = start, 0
        while depth or tokens[at] not in (",", "}"):
            depth += (tokens[at] in ("{", "[")) - (tokens[at] in ("}", "]"))
            at += 1
        members[name] = (start, at)
        at += tokens[at] == ","
    return members


def _text(name: str, field: list[str]) -> str:
    if field[0][0] != '"':
        raise _Wrong("not a string")
    text: str = json.loads(field[0])
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _Wrong("not valid Unicode")
    if "\0" in text:
        raise Reject(f"`{name}` holds a NUL character")
    return text


def _integer(bits: int, column: str) -> Callable[[str, list[str]], int]:
    def read(name: str, field: list[str]) -> int:
        if not re.fullmatch("-?[0-9]+", field[0]):
            raise _Wrong("not an integer")
        # Nineteen digits hold any of them, and to read thousands takes long.
        if len(field[0]) > 20 or not -(2**bits) <= int(field[0]) < 2**bits:
            raise _Wrong(f"beyond the range of {column}")
        return int(field[0])

    return read


def _number(name: str, field: list[str]) -> float:
    if field[0][0] not in "-0123456789":
        raise _Wrong("not a number")
    if math.isinf(float(field[0])):
        raise _Wrong("beyond the range of a double")
    return float(field[0])


def _boolean(name: str, field: list[str]) -> bool:
    if field[0] not in ("true", "false"):
        raise _Wrong("not a boolean")
    return field[0] == "true"


def _timestamptz(name: str, field: list[str]) -> int:
    time = microseconds(_text(name, field))
    if time is None:
        raise _Wrong("not a time with offset (RFC 3339)")
    return time


def _object(name: str, field: list[str]) -> str:
    if field[0] != "{":
        raise _Wrong("not a JSON object")
    if any(map(_ESCAPED_NUL, field)):
        raise Reject(f"`{name}` holds a NUL character")
    return shape.spaced(field)


_KINDS: dict[Kind, Callable[[str, list[str]], Any]] = {
    "text": _text,
    "int4": _integer(31, "INT"),
    "int8": _integer(63, "BIGINT"),
    "float8": _number,
    "boolean": _boolean,
    "timestamptz": _timestamptz,
    "object": _object,
}
