"""The component: the contract's ``task``, served by the job in ``job.py``. ``pelton build`` hands this module to
componentize-py; nothing else imports it, since what it imports from ``wit_world`` is made by that.

All of it up to the first call runs at build time, and is kept as the memory that an instance starts with. That is what
``_pylong`` is imported for: Python reads and prints integers of thousands of digits with it, and a job has no files to import from.
"""

from __future__ import annotations

import _pylong  # type: ignore[import-not-found]  # noqa: F401
import gc
import io
import linecache
import sys
import time

import wit_world.imports.types as wit
from componentize_py_types import Err
from wit_world.imports import log as wit_log
from wit_world.imports import metrics as wit_metrics

import job as module

from . import contract, log, metrics
from .job import Job
from .runner import Failure, Runner
from .spec import Sink, Table, Topic, Type


def _the_job() -> type[Job]:
    jobs = [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Job) and item.__module__ == module.__name__
    ]
    if len(jobs) != 1:
        names = ", ".join(job.__name__ for job in jobs) or "none"
        raise TypeError(f"job.py must define exactly one subclass of pelton.Job; it defines {names}")
    return jobs[0]


class Task:
    """``pelton:job/task``"""

    _runner: Runner | None = None

    def describe(self) -> wit.Spec:
        """``task.describe``"""
        spec = _job.spec
        return wit.Spec(
            name=spec.name,
            version=spec.version,
            description=spec.description,
            sources=[wit.Source(source.topic, source.headers) for source in spec.sources],
            sinks=[wit.Sink(sink.name, _target(sink)) for sink in spec.sinks],
            parameters=[wit.Parameter(item.name, item.description, item.default) for item in spec.declared()],
        )

    def configure(self, parameters: list[tuple[str, str]]) -> None:
        """``task.configure``"""
        try:
            Task._runner = Runner(_job, parameters)
        except Failure as reason:
            raise Err(str(reason)) from None

    def process(self, batch: contract.Batch) -> wit.Outcome:
        """``task.process``"""
        if Task._runner is None:
            raise Err("process was called before configure succeeded")
        # A collection in the midst of a batch would look at all of its records, and find nothing.
        gc.disable()
        try:
            outcome = Task._runner.process(batch)
            return wit.Outcome(
                outputs=list(map(_output, outcome.outputs)),
                rejects=[wit.Reject(index, reason) for index, reason in outcome.rejects],
            )
        except Failure as reason:
            raise Err(str(reason)) from None
        finally:
            gc.enable()


def _target(sink: Sink) -> wit.Target:
    if isinstance(sink, Topic):
        return wit.Target_Topic(sink.topic)
    if isinstance(sink, Table):
        columns = [wit.ColumnSpec(column.name, _type(column.type), column.nullable) for column in sink.columns]
        conflict = wit.Conflict[sink.on_conflict.upper()]
        return wit.Target_Table(wit.Table(sink.table, columns, list(sink.key), conflict))
    return wit.Target_Statement(wit.Statement(sink.sql, [_type(kind) for kind in sink.placeholders]))


def _type(kind: Type) -> wit.ColumnType:
    return wit.ColumnType[kind.upper()]


def _output(output: contract.Output) -> wit.Output:
    if isinstance(output, contract.Forward):
        return wit.Output_Forward(output)
    if isinstance(output, contract.Messages):
        return wit.Output_Messages(output)
    columns = [wit.Column(column.validity, _CARRIERS[column.carrier](column.data)) for column in output.columns]
    return wit.Output_Rows(wit.Rows(output.sink, output.origin, columns))


_CARRIERS = {
    carrier: getattr(wit, f"ColumnData_{carrier.capitalize()}")
    for carrier in ("booleans", "int16s", "int32s", "int64s", "float32s", "float64s", "packed")
}


class _Lines(io.TextIOBase):
    """A stream whose lines go to the job's log: what a job prints."""

    def __init__(self, level: log.Level) -> None:
        self._level = level
        self._begun = ""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Logs the lines that it ends."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            log._write(self._level, line)
        return len(text)


def _to_host(level: log.Level, message: str) -> None:
    wit_log.log(wit_log.Level[level.upper()], message)


def _no_clock(*_: object) -> float:
    raise RuntimeError("a job has no clock; `record.timestamp` says when a record was written")


def _keep_sources() -> None:
    """Keeps the lines of the job's own modules, for the traces of its exceptions."""
    for loaded in list(sys.modules.values()):
        file = getattr(loaded, "__file__", None)
        if file and file.endswith(".py") and "/lib/python" not in file:
            linecache.getlines(file)


_job = _the_job()
log._write = _to_host
metrics._count = wit_metrics.count
metrics._gauge = wit_metrics.gauge
sys.stdout = _Lines("info")
sys.stderr = _Lines("error")
# What would trap instead, without a word of where.
time.time = time.time_ns = time.monotonic = time.monotonic_ns = time.perf_counter = _no_clock  # type: ignore[assignment]
_keep_sources()
gc.collect()
gc.freeze()
