"""What a job makes of a batch, gathered for each sink in the order in which it was emitted.

Emitting only notes what was emitted, for which record: one lookup and one append. All checking and packing of values
is done when the batch ends, column by column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeAlias

from .columns import Refused, Value, column
from .contract import Forward, Messages, Output, Rows
from .packed import Header, pack_headers, pack_nullable, pack_numbers
from .spec import Sink, Statement, Table, Topic, Type

_Items: TypeAlias = list[Any]


class Mistake(Exception):
    """A job's mistake in its own outputs. The whole batch fails; the text names the sink and what was wrong."""


class MistakeAt(Mistake):
    """A mistake that was found when the batch ended, in what was made from the record at ``index``."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


class Outputs:
    """Takes what a job emits. Each output is tied to the record at hand.

    Emitting to a sink that the spec doesn't declare, or a row or message that doesn't fit its sink, is a mistake of the
    job: the batch fails with a reason that says what was wrong.
    """

    __slots__ = ("_index", "_rows", "_sinks", "_to_row", "_to_topic", "_topics")

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks
        self._index = 0
        # By identity, which is how sinks are compared: a lookup without a line of Python. For each what is emitted, and
        # how to add to it.
        self._topics: dict[Topic, _Items] = {sink: [] for sink in sinks if isinstance(sink, Topic)}
        self._rows: dict[Table | Statement, _Items] = {sink: [] for sink in sinks if not isinstance(sink, Topic)}
        self._to_topic: dict[Topic, Callable[[Any], None]] = {sink: items.append for sink, items in self._topics.items()}
        self._to_row: dict[Table | Statement, Callable[[Any], None]] = {
            sink: items.append for sink, items in self._rows.items()
        }

    def forward(self, sink: Topic) -> None:
        """Passes the record on to a topic unchanged: key, value and headers. Costs next to nothing."""
        try:
            add = self._to_topic[sink]
        except (KeyError, TypeError):
            raise _not_there(sink, self._sinks) from None
        add(self._index)

    def send(
        self, sink: Topic, key: str | bytes | None, value: str | bytes | None, headers: Sequence[Header] = ()
    ) -> None:
        """Sends a message to a topic. Text goes as UTF-8."""
        try:
            add = self._to_topic[sink]
        except (KeyError, TypeError):
            raise _not_there(sink, self._sinks) from None
        add((self._index, key, value, headers))

    def row(self, sink: Table | Statement, *values: Value) -> None:
        """Writes a row to a table, or runs a statement: one value for each declared column or placeholder, in their
        order, of the types that :data:`pelton.Value` lists."""
        try:
            add = self._to_row[sink]
        except (KeyError, TypeError):
            raise _not_there(sink, self._sinks) from None
        add((self._index, values))

    def clear(self) -> None:
        """Drops what was emitted."""
        for items in (*self._topics.values(), *self._rows.values()):
            items.clear()

    def finish(self) -> list[Output]:
        """Hands over the batch's outputs, and is empty again. Raises :class:`MistakeAt`."""
        try:
            return [output for index, sink in enumerate(self._sinks) for output in self._finish(index, sink)]
        finally:
            self.clear()

    def _finish(self, index: int, sink: Sink) -> Iterator[Output]:
        if not isinstance(sink, Topic):
            if items := self._rows[sink]:
                yield _rows(index, sink, items)
            return
        for kind, group in groupby(self._topics[sink], type):
            items = list(group)
            yield Forward(index, pack_numbers("I", items)) if kind is int else _messages(index, sink, items)


def _messages(index: int, sink: Topic, items: _Items) -> Messages:
    origin, keys, values, headers = zip(*items)
    try:
        return Messages(index, pack_numbers("I", origin), pack_nullable(keys), pack_nullable(values), pack_headers(headers))
    except (TypeError, ValueError):
        pass
    # Which one it is.
    for at, key, value, pairs in items:
        for what, item in (("key", key), ("value", value)):
            try:
                pack_nullable([item])
            except TypeError:
                raise MistakeAt(at, _at(sink, f"a {what} is a str, bytes or None, not {type(item).__name__}")) from None
            except ValueError as error:
                raise MistakeAt(at, _at(sink, f"a {what} is not text: {error}")) from None
        try:
            pack_headers([pairs])
        except (TypeError, ValueError) as error:
            reason = f"headers are pairs of a str, and a str, bytes or None: {error}"
            raise MistakeAt(at, _at(sink, reason)) from None
    raise Mistake(_at(sink, "the messages do not fit"))


def _rows(index: int, sink: Table | Statement, items: _Items) -> Rows:
    origin, rows = zip(*items)
    declared = _declared(sink)
    try:
        columns = list(zip(*rows, strict=True))
    except ValueError:
        columns = []
    if len(columns) != len(declared):
        for at, row in items:
            if len(row) != len(declared):
                raise MistakeAt(at, _at(sink, f"a row has {len(declared)} values, not {len(row)}"))
    packed = []
    for (name, kind), values in zip(declared, columns):
        try:
            packed.append(column(kind, values))
        except Refused as refused:
            raise MistakeAt(origin[refused.row], _at(sink, f"{name} is {refused}")) from None
    return Rows(index, pack_numbers("I", origin), packed)


def _declared(sink: Table | Statement) -> list[tuple[str, Type]]:
    """What a message calls a row's values, and their types."""
    if isinstance(sink, Table):
        return [(f"column `{column.name}`", column.type) for column in sink.columns]
    return [(f"placeholder {number}", kind) for number, kind in enumerate(sink.placeholders, 1)]


def _at(sink: Sink, reason: str) -> str:
    return f"sink `{sink.name}`: {reason}"


def _not_there(sink: Any, sinks: Sequence[Sink]) -> Mistake:
    """Why a sink does not take what was emitted to it."""
    name = getattr(sink, "name", sink)
    if sink not in sinks:
        return Mistake(f"sink `{name}`: not among the sinks of the job's spec")
    what = "a topic takes no rows" if isinstance(sink, Topic) else "a table or statement takes rows, not messages"
    return Mistake(f"sink `{name}`: {what}")
