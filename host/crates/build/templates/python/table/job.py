"""Writes each reading to a table of Postgres."""

from pelton import Column, Fields, Job, Outputs, Record, Spec, Table

READINGS = Table(
    "readings",
    [
        Column("message_id", "text"),
        Column("sensor_id", "int4"),
        Column("temperature", "float8"),
        Column("message", "jsonb"),
        Column("timestamp", "timestamptz"),
    ],
    key=["message_id"],
    on_conflict="ignore",
)

# In the order of the columns.
READING = Fields(
    ("message_id", "text"),
    ("sensor_id", "int4"),
    ("message.temperature", "float8"),
    ("message", "object"),
    ("timestamp", "timestamptz"),
)


class Readings(Job):
    spec = Spec(
        "{{name}}",
        "0.1.0",
        "{{description}}",
        sources=["sensors"],
        sinks=[READINGS],
    )

    def process(self, record: Record, out: Outputs) -> None:
        out.row(READINGS, *READING.read(record))
