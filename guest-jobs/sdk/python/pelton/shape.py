"""Records that are printed alike, read by one match of a regular expression.

The expression is made of one record: its names and its spacing are taken as they are, its values as any of their kind. It
matches only what :class:`pelton.Fields` reads to the same values without it; all else is left to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .record import Record
from .times import microseconds

Miss = Callable[[Record, str], tuple[Any, ...]]

# Without escapes, what stands there is what it says.
_STRING = r'"([^"\\\x00-\x1f]*+)"'
# So few digits that a double holds the number, and an integer is in the range of its column.
_DECIMAL = r"(-?(?:0|[1-9][0-9]{0,14}+)\.[0-9]{1,17}+)"
_INT4 = r"(-?(?:0|[1-9][0-9]{0,8}+))"
_INT8 = r"(-?(?:0|[1-9][0-9]{0,17}+))"
_TIME = r'"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]\.[0-9]{6}'
_ZONE = re.compile(_TIME + r'(Z|[+-][0-9]{2}:[0-9]{2}))"').fullmatch
_MOST_MINUTES = 64
_MOST_TOKENS = 500


def spaced(tokens: list[str]) -> str:
    """JSON as it was written, with the spacing of ``json.dumps``."""
    return "".join([f"{token} " if token in (",", ":") else token for token in tokens])


def reader(
    text: str, tokens: list[str], paths: list[tuple[list[str], Any, bool]], miss: Miss
) -> Callable[[Record], tuple[Any, ...]] | None:
    """What reads records that are printed like this one; ``None`` where it is printed in no usual way."""
    if len(tokens) > _MOST_TOKENS or spaced(tokens) != text:
        return None
    shape = _Shape(tokens, {".".join(path): kinds_of(path, paths) for path, _, _ in paths})
    if not shape.is_plain:
        return None
    taken, names, lines, results = [], {}, [], []
    namespace: dict[str, Any] = {"fullmatch": re.compile(shape.pattern).fullmatch, "miss": miss, "minute_of": minute_of}
    for number, (path, kind, _) in enumerate(paths):
        group = shape.groups.get(".".join(path))
        if group is None:
            results.append("None")
            continue
        if group not in names:
            names[group] = f"v{group}"
            taken.append(group)
        value = names[group]
        if kind == "timestamptz":
            minute = f"m{number}"
            namespace[f"minutes{number}"], namespace[f"zone{number}"] = {}, shape.zones[".".join(path)]
            lines.append(f"{minute} = minutes{number}.get({value}[:16]) or ")
            lines[-1] += f"minute_of({value}[:16], zone{number}, minutes{number})"
            lines.append(f"if {minute} is None: return miss(record, text)")
            value = f"{minute} + int({value}[17:19] + {value}[20:26])"
        results.append(_CONVERTED.get(kind, "{}").format(value))
    if not taken:
        return None
    # Written out, as `namedtuple` does it: each call and each step of a loop costs as much as a value.
    source = [
        "try: text = record.value.decode()",
        # It rejects what has no text.
        "except (AttributeError, ValueError): text = record.text()",
        "match = fullmatch(text)",
        "if match is None: return miss(record, text)",
        f"{', '.join(f'v{group}' for group in taken)} = match.group({', '.join(map(str, taken))})",
        *lines,
        f"return ({', '.join(results)},)",
    ]
    exec("def read(record):\n    " + "\n    ".join(source), namespace)
    read: Callable[[Record], tuple[Any, ...]] = namespace["read"]
    return read


_CONVERTED = {"int4": "int({})", "int8": "int({})", "float8": "float({})", "boolean": "{} == 'true'"}


def kinds_of(path: list[str], paths: list[tuple[list[str], Any, bool]]) -> set[str]:
    """What a path is read as."""
    return {kind for other, kind, _ in paths if other == path}


def minute_of(text: str, zone: str, minutes: dict[str, int]) -> int | None:
    """Microseconds since 1970 of a minute, such as ``2024-05-02T10:11``. The last few are kept: records come many in one."""
    start = microseconds(f"{text}:00{zone}")
    if start is None:
        return None
    if len(minutes) == _MOST_MINUTES:
        minutes.clear()
    return minutes.setdefault(text, start)


class _Shape:
    """The expression that is made of one record's tokens."""

    def __init__(self, tokens: list[str], kinds: dict[str, set[str]]) -> None:
        self.is_plain = True
        self.groups: dict[str, int] = {}
        """The group of each path that is there and not null."""
        self.zones: dict[str, str] = {}
        """How the times of a path end."""
        self._tokens, self._at, self._kinds, self._count = tokens, 0, kinds, 0
        self.pattern = self._value("")

    def _value(self, path: str | None) -> str:
        token, kinds = self._tokens[self._at], self._kinds.get(path or "", set())
        if token == "{":
            self._take(path, kinds)
            inner = self._members(path)
            return f"({inner})" if kinds else inner
        if token == "[":
            return self._items()
        self._at += 1
        if token == "null" and kinds:
            return token
        if token[0] == '"':
            pattern = self._string(path, token, kinds)
        elif token in ("true", "false", "null"):
            pattern = "(true|false)" if kinds else "(true|false|null)"
        else:
            pattern = _DECIMAL if "." in token else _INT4 if "int4" in kinds else _INT8
        self._take(path, kinds)
        return pattern if kinds else pattern.replace("(", "(?:", 1)

    def _take(self, path: str | None, kinds: set[str]) -> None:
        if path and kinds:
            self._count += 1
            self.groups[path] = self._count

    def _string(self, path: str | None, token: str, kinds: set[str]) -> str:
        if not path or "timestamptz" not in kinds:
            return _STRING
        time = _ZONE(token)
        if time is None:
            self.is_plain = False
            return ""
        self.zones[path] = time[2]
        return _TIME + re.escape(time[2]) + ')"'

    def _members(self, path: str | None) -> str:
        parts, names = [], set()
        self._at += 1
        while self._tokens[self._at] != "}":
            if self._tokens[self._at] == ",":
                self._at += 1
                parts.append(", ")
            name = self._tokens[self._at][1:-1]
            # What is escaped, or comes twice, is not usual; of an empty name or a dot a path could be mistaken.
            self.is_plain &= name != "" and "\\" not in name and "." not in name and name not in names
            names.add(name)
            self._at += 2
            inner = None if path is None else f"{path}.{name}" if path else name
            parts.append(f'"{re.escape(name)}": ' + self._value(inner))
        self._at += 1
        return r"\{" + "".join(parts) + r"\}"

    def _items(self) -> str:
        parts = []
        self._at += 1
        while self._tokens[self._at] != "]":
            if self._tokens[self._at] == ",":
                self._at += 1
                parts.append(", ")
            # A path leads into no list.
            parts.append(self._value(None))
        self._at += 1
        return r"\[" + "".join(parts) + r"\]"
