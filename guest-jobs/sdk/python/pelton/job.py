"""What a job is."""

from __future__ import annotations

from typing import ClassVar

from .outputs import Outputs
from .parameters import Parameters
from .record import Record
from .spec import Spec


class Job:
    """A job. The host makes as many instances as the job's parallelism, spreads the partitions over them, and calls each
    with one record at a time, in the order of the partition. A job's module, ``job.py``, defines exactly one subclass."""

    spec: ClassVar[Spec]
    """What the job reads, writes and takes."""

    def configure(self, parameters: Parameters) -> None:
        """Takes the parameters, once, before the first record.

        A :class:`ValueError` refuses the submit, with its text.
        """

    def process(self, record: Record, out: Outputs) -> None:
        """Handles one record. To filter it out is to emit nothing; to send it to the dead letters is to raise
        :class:`pelton.Reject`. Any other exception fails the batch: the host halves it until it has found the record,
        whose dead letter shows the exception and where it was raised."""
        raise NotImplementedError
