"""Write a Pelton job in Python.

Subclass :class:`Job` in ``job.py``; that is all of a job. It sees one :class:`Record` at a time, and gives what it makes
of it to :class:`Outputs`. Batches, packing, null bitmaps and the bookkeeping of which output came from which record are
the SDK's business.

>>> from pelton import Job, Outputs, Parameter, Parameters, Record, Spec, Topic, testing
>>> LOUD = Topic("loud")
>>> class Filter(Job):
...     spec = Spec(
...         "filter", "1.0.0", "passes on long records", sources=["words"], sinks=[LOUD],
...         parameters=[Parameter("bytes", "records up to this long are dropped", default="4")],
...     )
...     def configure(self, parameters: Parameters) -> None:
...         self.bytes = parameters.get("bytes", int)
...     def process(self, record: Record, out: Outputs) -> None:
...         if len(record.text()) > self.bytes:
...             out.forward(LOUD)
>>> testing.run(Filter, ["no", "longer"]).forwards(LOUD)
[1]

Three ways for things to go wrong, each with an end of its own:

- a record that the job can't use: raise :class:`Reject`; it goes to the dead-letter topic with its reason, the rest goes on;
- a mistake of the job in its own outputs (an undeclared sink, a value of the wrong type, too few values): the whole
  batch fails, and the reason names sink, column and record;
- any other exception: the same, and the reason holds the exception, the record, and where it was raised.
"""

from . import log, metrics
from .columns import Value
from .fields import Fields, quote
from .job import Job
from .outputs import Outputs
from .parameters import Parameters
from .record import Record, Reject
from .spec import Column, Conflict, Parameter, Sink, Source, Spec, Statement, Table, Topic, Type
from .times import microseconds

__all__ = [
    "Column", "Conflict", "Fields", "Job", "Outputs", "Parameter", "Parameters", "Record", "Reject", "Sink", "Source", "Spec",
    "Statement", "Table", "Topic", "Type", "Value", "log", "metrics",
    "microseconds", "quote",
]  # fmt: skip
