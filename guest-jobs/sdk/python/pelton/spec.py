"""How a job says what it reads, writes and takes.

A sink is a constant: the job lists it in its :class:`Spec`, and names it again wherever it emits. Nothing is checked
here; the host checks a spec when it first sees the component, and names what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

Type: TypeAlias = Literal[
    "boolean", "int2", "int4", "int8", "float4", "float8", "numeric", "text", "varchar", "bytea",
    "timestamptz", "timestamp", "date", "uuid", "json", "jsonb",
]  # fmt: skip
"""The Postgres types that a column or a placeholder may have. :data:`pelton.Value` says what each takes."""

Conflict: TypeAlias = Literal["fail", "ignore", "update"]
"""What happens to a row whose key is already in the table: it goes to the dead letters, it is left out, or it
overwrites the row that is there (within a batch the last one wins)."""


class Source:
    """A topic that a job reads. A record carries its headers only where ``headers`` is true."""

    __slots__ = ("headers", "topic")

    def __init__(self, topic: str, *, headers: bool = False) -> None:
        self.topic = topic
        self.headers = headers


class Column:
    """A column of a table. A null for one that is not ``nullable`` is a row that the host refuses."""

    __slots__ = ("name", "nullable", "type")

    def __init__(self, name: str, type: Type, *, nullable: bool = False) -> None:
        self.name = name
        self.type: Type = type
        self.nullable = nullable


class Topic:
    """A Kafka topic to write to. ``name`` is what metrics and ``pelton show`` call it: by default the topic."""

    __slots__ = ("name", "topic")

    def __init__(self, topic: str, *, name: str | None = None) -> None:
        self.topic = topic
        self.name = topic if name is None else name


class Table:
    """A Postgres table to write rows to, ``table`` or ``schema.table``, with the columns that the job fills.

    ``key`` names the columns of the unique constraint that decides a conflict; it may be empty only with ``"fail"``.
    """

    __slots__ = ("columns", "key", "name", "on_conflict", "table")

    def __init__(
        self,
        table: str,
        columns: Sequence[Column],
        *,
        key: Sequence[str] = (),
        on_conflict: Conflict = "fail",
        name: str | None = None,
    ) -> None:
        self.table = table
        self.columns = tuple(columns)
        self.key = tuple(key)
        self.on_conflict: Conflict = on_conflict
        self.name = table if name is None else name


class Statement:
    """One INSERT, UPDATE or DELETE, run once for each row, with placeholders ``?`` or ``$1``, ``$2``, … of these types.

    A :class:`Table` is faster.
    """

    __slots__ = ("name", "placeholders", "sql")

    def __init__(self, name: str, sql: str, placeholders: Sequence[Type]) -> None:
        self.name = name
        self.sql = sql
        self.placeholders = tuple(placeholders)


Sink: TypeAlias = Topic | Table | Statement


class Parameter:
    """A setting of the job. One without a default must be set at submit."""

    __slots__ = ("default", "description", "name")

    def __init__(self, name: str, description: str, *, default: str | None = None) -> None:
        self.name = name
        self.description = description
        self.default = default


class Spec:
    """What a job says of itself. A source that is given as text is a topic that is read without headers.

    ``name`` has lower-case letters, digits, ``_`` and ``-``. ``remembers`` says in words what the job holds in its fields
    from one record to the next, such as ``"the last reading of each sensor"``: it ends with the instance, so the host warns
    and asks before it ends one.
    """

    __slots__ = ("description", "name", "parameters", "remembers", "sinks", "sources", "version")

    def __init__(
        self,
        name: str,
        version: str,
        description: str,
        *,
        sources: Sequence[str | Source],
        sinks: Sequence[Sink] = (),
        parameters: Sequence[Parameter] = (),
        remembers: str | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.description = description
        self.sources = tuple(Source(source) if isinstance(source, str) else source for source in sources)
        self.sinks = tuple(sinks)
        self.parameters = tuple(parameters)
        self.remembers = remembers

    def declared(self) -> tuple[Parameter, ...]:
        """The parameters as the contract has them: what the job remembers is one of a reserved name."""
        if self.remembers is None:
            return self.parameters
        return (*self.parameters, Parameter("pelton.remembers", self.remembers, default="true"))
