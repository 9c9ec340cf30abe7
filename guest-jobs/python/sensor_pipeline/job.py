"""The article's ``postgres_sink.py``: every reading becomes a row of ``raw_sensors_data``, readings above a temperature
become alerts too."""

from pelton import Column, Fields, Job, Outputs, Parameter, Parameters, Record, Spec, Table, Topic, quote

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
READING = Fields(
    ("message_id", "text"), ("sensor_id", "int4"), ("message", "object"), ("message.temperature", "float8"),
    ("timestamp", "text"), ("timestamp", "timestamptz"),
)  # fmt: skip


class SensorPipeline(Job):
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
        message_id, sensor_id, message, temperature, timestamp, microseconds = READING.read(record)
        out.row(READINGS, message_id, sensor_id, message, microseconds)
        if temperature > self.threshold:
            alert = (
                f'{{"message_id": {quote(message_id)}, "sensor_id": {sensor_id}, "temperature": {temperature!r}, '
                f'"alert": "High temperature detected", "timestamp": {quote(timestamp)}}}'
            )
            out.send(ALERTS, record.key, alert)
