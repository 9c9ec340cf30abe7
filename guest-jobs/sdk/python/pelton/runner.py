"""One instance of a job: takes batches as the contract hands them over, and answers in kind. Used in the component and
by the tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

from . import failure
from .contract import Batch, Outcome
from .job import Job
from .outputs import MistakeAt, Outputs
from .packed import headers_of, nullable_items, numbers
from .parameters import Parameters
from .record import Record, Reject


class Failure(Exception):
    """A call failed; the text is the reason that the host is given."""


class Runner:
    """A configured job. Raises :class:`Failure` where ``configure`` refuses."""

    __slots__ = ("_job", "_out")

    def __init__(self, job: type[Job], parameters: Iterable[tuple[str, str]]) -> None:
        try:
            self._job = job()
            self._job.configure(Parameters(dict(parameters)))
        except ValueError as error:
            raise Failure(failure.cut(str(error))) from None
        except Exception as error:
            raise Failure(failure.describe(error)) from None
        self._out = Outputs(job.spec.sinks)

    def process(self, batch: Batch) -> Outcome:
        """Handles one batch. After a :class:`Failure` nothing of it is left."""
        process, out = self._job.process, self._out
        rejects: list[tuple[int, str]] = []
        offsets = numbers("q", batch.offsets)
        index = 0
        try:
            for index, record in enumerate(records(batch, offsets)):
                out._index = index
                try:
                    process(record, out)
                except Reject as reject:
                    rejects.append((index, str(reject)))
            return Outcome(out.finish(), rejects)
        except MistakeAt as mistake:
            raise Failure(f"{mistake} (at offset {offsets[mistake.index]})") from None
        except Exception as error:
            out.clear()
            place = f"record at partition {batch.partition} offset {offsets[index]}: "
            raise Failure(failure.cut(place + failure.describe(error))) from None


def records(batch: Batch, offsets: Sequence[int]) -> Iterator[Record]:
    """The records of a batch. They are made in C, which costs a fifth of calling the class for each."""
    timestamps: Sequence[int | None] = numbers("q", batch.timestamps)
    if -1 in timestamps:
        timestamps = [None if timestamp == -1 else timestamp for timestamp in timestamps]
    headers = repeat(()) if batch.headers is None else headers_of(batch.headers)
    fields = zip(
        nullable_items(batch.keys),
        nullable_items(batch.values),
        headers,
        timestamps,
        repeat(batch.partition),
        offsets,
        repeat(batch.source),
    )
    return map(tuple.__new__, repeat(Record), fields)
