"""The article's ``postgres_sink.py``: every reading becomes a row of ``raw_sensors_data``, readings above a temperature
become alerts too."""

from pelton import Column, Job, Outputs, Parameter, Parameters, Record, Spec, Table, Topic
from sensors import parse

ALERTS = Topic("alerts")
READINGS = Table(
    "raw_sensors_data",
    [
        Column("message_id", "varchar"),
        Column("sensor_id", "int4"),
        Column("message", "text"),
        Column("timestamp", "timestamptz"),
    ],
    key=["message_id"],
    on_conflict="ignore",
)


class SensorPipeline(Job):
    """The job."""

    spec = Spec(
        "sensor_pipeline",
        "0.1.0",
        "every reading to raw_sensors_data, alerts on readings above a temperature",
        sources=["sensors"],
        sinks=[READINGS, ALERTS],
        parameters=[Parameter("threshold", "degrees Celsius above which a reading is an alert", default="30")],
    )

    def configure(self, parameters: Parameters) -> None:
        self.threshold = parameters.get("threshold", float)

    def process(self, record: Record, out: Outputs) -> None:
        reading = parse(record)
        out.row(READINGS, reading.message_id, reading.sensor_id, reading.message, reading.microseconds)
        if reading.temperature > self.threshold:
            out.send(ALERTS, record.key, reading.alert())
