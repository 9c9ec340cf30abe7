"""Runs a job under plain pytest, over records given in a test, through the same packing as in the host. No Wasm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import log, metrics
from .columns import CODES, value_of
from .contract import Batch, Forward, Headers, Messages, Packed, Rows
from .job import Job
from .packed import Header, headers_of, nullable_items, numbers, pack_headers, pack_nullable, pack_numbers, slices, valid
from .runner import Failure as Failure
from .runner import Runner
from .spec import Sink, Statement, Table, Topic


@dataclass(frozen=True)
class Input:
    """A record to give to a job. Text goes as UTF-8. ``timestamp`` is in milliseconds since 1970."""

    value: str | bytes | None = None
    key: str | bytes | None = None
    headers: Sequence[Header] = ()
    timestamp: int | None = None


@dataclass(frozen=True)
class Message:
    """A message that a job sent, made from the record with this index."""

    record: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(frozen=True)
class Row:
    """A row that a job wrote, made from the record with this index. Times are integers, as they cross."""

    record: int
    values: tuple[Any, ...]


class Run:
    """What a job made of the records."""

    def __init__(self) -> None:
        self.rejects: list[tuple[int, str]] = []
        """The index of each rejected record, and the reason."""
        self.logs: list[tuple[str, str]] = []
        """The level of each line, and its text."""
        self.counts: dict[str, int] = {}
        """The job's counters."""
        self.gauges: dict[str, float] = {}
        """The job's gauges, as last set."""
        self._outputs: dict[str, list[int | Message | Row]] = {}

    def forwards(self, sink: Topic) -> list[int]:
        """The indices of the records that were forwarded to a topic, in order."""
        return [output for output in self.outputs(sink) if isinstance(output, int)]

    def messages(self, sink: Topic) -> list[Message]:
        """The messages that were sent to a topic, in order."""
        return [output for output in self.outputs(sink) if isinstance(output, Message)]

    def rows(self, sink: Table | Statement) -> list[Row]:
        """The rows that were written to a sink, in order."""
        return [output for output in self.outputs(sink) if isinstance(output, Row)]

    def outputs(self, sink: Sink) -> list[int | Message | Row]:
        """All that was emitted to a sink, in order; a record that was forwarded is its index."""
        return self._outputs[sink.name]


def run(
    job: type[Job],
    records: Iterable[str | bytes | Input | None],
    parameters: Mapping[str, str] | None = None,
    *,
    source: int = 0,
    partition: int = 0,
    first_offset: int = 0,
) -> Run:
    """Configures a job and hands it one batch. Parameters that aren't given have their defaults.

    Raises :class:`Failure`: what ``configure`` refuses, an exception in ``process``, a mistake of the job in its outputs;
    and :class:`ValueError` for a parameter that has no default and isn't given, or isn't declared.
    """
    run = Run()

    def count(name: str, increment: int) -> None:
        run.counts[name] = run.counts.get(name, 0) + increment

    kept = log._write, metrics._count, metrics._gauge
    log._write = lambda level, message: run.logs.append((level, message))
    metrics._count, metrics._gauge = count, run.gauges.__setitem__
    try:
        inputs = [record if isinstance(record, Input) else Input(record) for record in records]
        batch = _batch(inputs, source, partition, first_offset, job.spec.sources[source].headers)
        outcome = Runner(job, _settings(job, parameters or {})).process(batch)
    finally:
        log._write, metrics._count, metrics._gauge = kept
    run.rejects = outcome.rejects
    run._outputs = {sink.name: [] for sink in job.spec.sinks}
    for output in outcome.outputs:
        sink = job.spec.sinks[output.sink]
        run._outputs[sink.name].extend(_unpacked(sink, output))
    return run


def _settings(job: type[Job], given: Mapping[str, str]) -> list[tuple[str, str]]:
    declared = {parameter.name: parameter.default for parameter in job.spec.parameters}
    for name in given:
        if name not in declared:
            raise ValueError(f"the job has no parameter `{name}`")
    settings = []
    for name, default in declared.items():
        value = given.get(name, default)
        if value is None:
            raise ValueError(f"parameter `{name}` is not set")
        settings.append((name, value))
    return settings


def _batch(inputs: list[Input], source: int, partition: int, first_offset: int, with_headers: bool) -> Batch:
    headers = pack_headers([record.headers for record in inputs])
    none = Headers(bytes(4 * len(inputs)), Packed(b"", b""), pack_nullable([]))
    return Batch(
        source,
        partition,
        pack_numbers("q", range(first_offset, first_offset + len(inputs))),
        pack_numbers("q", [-1 if record.timestamp is None else record.timestamp for record in inputs]),
        pack_nullable([record.key for record in inputs]),
        pack_nullable([record.value for record in inputs]),
        (headers or none) if with_headers else None,
    )


def _unpacked(sink: Sink, output: Forward | Messages | Rows) -> Iterable[int | Message | Row]:
    origin = numbers("I", output.origin)
    if isinstance(output, Forward):
        return origin
    if isinstance(output, Messages):
        headers = [()] * len(origin) if output.headers is None else headers_of(output.headers)
        return map(Message, origin, nullable_items(output.keys), nullable_items(output.values), headers)
    kinds = sink.placeholders if isinstance(sink, Statement) else [c.type for c in getattr(sink, "columns", ())]
    columns = []
    for kind, column in zip(kinds, output.columns):
        data = slices(column.data) if isinstance(column.data, Packed) else numbers(CODES[column.carrier], column.data)
        present = valid(column.validity, len(origin))
        columns.append([value_of(kind, item) if is_valid else None for item, is_valid in zip(data, present)])
    return map(Row, origin, zip(*columns))
