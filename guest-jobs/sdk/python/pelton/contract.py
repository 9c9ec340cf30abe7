"""What crosses between host and job: ``wit/job.wit``, package ``pelton:job@0.1.0``, as plain Python classes.

A job's author never sees these; :mod:`pelton` hides them. Names and order of the fields are those of the contract, so
what the host hands over can be read as if it were one of these, and :mod:`pelton.component` only has to change the
class of what goes back. Columns have one item per record, message or row; offsets into bytes count from 0. Numbers lie
end to end as bytes: ``ends`` and ``origin`` as ``u32``, ``offsets`` and ``timestamps`` as ``s64``, all little-endian. As
lists they would cross one object at a time, at some 300 ns each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(slots=True)
class Packed:
    """Byte strings laid end to end: item ``i`` is ``bytes[ends[i - 1]:ends[i]]``, and item 0 starts at 0."""

    ends: bytes
    bytes: bytes


@dataclass(slots=True)
class NullablePacked:
    """Byte strings of which some may be null: bit ``i % 8`` of ``validity[i // 8]`` is 0 where item ``i`` is.

    ``validity`` is empty where no item is null.
    """

    validity: bytes
    items: Packed


@dataclass(slots=True)
class Headers:
    """Headers, flattened: record ``i`` has the headers ``ends[i - 1]:ends[i]``, in order."""

    ends: bytes
    names: Packed
    values: NullablePacked


@dataclass(slots=True)
class Batch:
    """Consecutive records of one partition. A timestamp of -1 says that there is none."""

    source: int
    partition: int
    offsets: bytes
    timestamps: bytes
    keys: NullablePacked
    values: NullablePacked
    headers: Headers | None


@dataclass(slots=True)
class Forward:
    """Records passed on unchanged to a topic, by their index in the batch."""

    sink: int
    origin: bytes


@dataclass(slots=True)
class Messages:
    """New messages for a topic."""

    sink: int
    origin: bytes
    keys: NullablePacked
    values: NullablePacked
    headers: Headers | None


@dataclass(slots=True)
class Column:
    """The values of one column, one per row; ``carrier`` is the case of the contract's ``column-data``."""

    validity: bytes
    carrier: str
    data: bytes | Packed


@dataclass(slots=True)
class Rows:
    """Rows for a table, or the parameters of so many executions of a statement."""

    sink: int
    origin: bytes
    columns: list[Column]


Output: TypeAlias = Forward | Messages | Rows


@dataclass(slots=True)
class Outcome:
    """What a batch became. ``rejects`` are the index of a record and the reason."""

    outputs: list[Output]
    rejects: list[tuple[int, str]]
