"""Exercises every part of the contract: each record's value is a command. See ``guest-jobs/golden/README.md``."""

from datetime import date
from uuid import UUID

from pelton import (
    Column, Job, Outputs, Parameter, Parameters, Record, Reject, Source, Spec, Statement, Table, Topic, log, metrics,
)  # fmt: skip

OUT = Topic("conformance_out", name="out")
ROWS = Table(
    "conformance_rows",
    [
        Column("boolean", "boolean", nullable=True),
        Column("int2", "int2", nullable=True),
        Column("int4", "int4", nullable=True),
        Column("int8", "int8", nullable=True),
        Column("float4", "float4", nullable=True),
        Column("float8", "float8", nullable=True),
        Column("numeric", "numeric", nullable=True),
        Column("text", "text", nullable=True),
        Column("varchar", "varchar", nullable=True),
        Column("bytea", "bytea", nullable=True),
        Column("timestamptz", "timestamptz", nullable=True),
        Column("timestamp", "timestamp", nullable=True),
        Column("date", "date", nullable=True),
        Column("uuid", "uuid", nullable=True),
        Column("json", "json", nullable=True),
        Column("jsonb", "jsonb", nullable=True),
    ],
    name="rows",
)
NOTE = Statement("note", "INSERT INTO notes (id, note) VALUES (?, ?)", ["int8", "text"])
ROW = (
    True, -32768, -2147483648, -9223372036854775808, 1.5, 0.1, "-12.50", "é😀", "", b"\x00\xff", 1714644672123456, -1,
    date(1, 1, 1), UUID("00112233-4455-6677-8899-aabbccddeeff"), '{"a": 1}', "[]",
)  # fmt: skip


def many(out: Outputs) -> None:
    """More outputs of one record than a byte has bits: a batch that is halved can't hide a mistake in them."""
    for n in range(20):
        key, value = str(n) if n % 3 else None, None if 9 <= n < 18 else str(n)
        out.send(OUT, key, value, [] if n < 10 else [("n", None if n % 2 else str(n))])
        out.row(NOTE, n, None if n % 4 == 1 else str(n))
        out.row(ROWS, *([None] * len(ROW) if n in (9, 16) else ROW))
    out.forward(OUT)
    out.forward(OUT)
    for _ in range(9):
        out.send(OUT, None, None)


class Conformance(Job):
    """The job."""

    spec = Spec(
        "conformance",
        "0.1.0",
        "Exercises every part of the contract",
        sources=[Source("conformance", headers=True)],
        sinks=[OUT, ROWS, NOTE],
        parameters=[
            Parameter("prefix", "text before each echo", default=""),
            Parameter("limit", "records after which the job stops echoing", default="1000000"),
        ],
    )

    def configure(self, parameters: Parameters) -> None:
        self.prefix = parameters.get("prefix")
        self.limit = parameters.get("limit", int)
        self.seen = 0

    def process(self, record: Record, out: Outputs) -> None:
        self.seen += 1
        if record.value is None:
            out.send(OUT, record.key, "null")
            return
        match record.text():
            case "forward":
                out.forward(OUT)
            case "echo" if self.seen <= self.limit:
                written = "-" if record.timestamp is None else record.timestamp
                value = f"{self.prefix}{record.partition}/{record.offset}@{written}"
                out.send(OUT, record.key, value, [*record.headers, ("source", str(record.source))])
            case "tombstone":
                out.send(OUT, record.key, None)
            case "row":
                out.row(ROWS, *ROW)
            case "nulls":
                out.row(ROWS, *[None] * len(ROW))
            case "statement":
                out.row(NOTE, record.offset, record.key_text())
            case "many":
                many(out)
            case "reject":
                raise Reject("asked to")
            case "log":
                log.trace("a trace line")
                log.debug("a debug line")
                log.info("an info line")
                log.warn("a warn line")
                log.error("an error line")
            case "metrics":
                metrics.count("conformance_count", 2)
                metrics.gauge("conformance_gauge", 0.5)
            case "raise":
                raise RuntimeError("raised on purpose")
