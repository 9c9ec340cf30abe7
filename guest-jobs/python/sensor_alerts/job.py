"""Alerts on readings above a temperature: the filter of the article's job. It rejects what sensor_pipeline does."""

from pelton import Fields, Job, Outputs, Parameter, Parameters, Record, Spec, Topic, quote

ALERTS = Topic("alerts")
READING = Fields(
    ("message_id", "text"), ("sensor_id", "int4"), ("message", "object"), ("message.temperature", "float8"),
    ("timestamp", "text"), ("timestamp", "timestamptz"),
)  # fmt: skip


class SensorAlerts(Job):
    spec = Spec(
        "sensor_alerts",
        "0.1.0",
        "alerts on readings above a temperature",
        sources=["sensors"],
        sinks=[ALERTS],
        parameters=[Parameter("threshold", "degrees Celsius above which a reading is an alert", default="30")],
    )

    def configure(self, parameters: Parameters) -> None:
        self.threshold = parameters.get("threshold", float)

    def process(self, record: Record, out: Outputs) -> None:
        message_id, sensor_id, message, temperature, timestamp, microseconds = READING.read(record)
        if temperature > self.threshold:
            alert = (
                f'{{"message_id": {quote(message_id)}, "sensor_id": {sensor_id}, "temperature": {temperature!r}, '
                f'"alert": "High temperature detected", "timestamp": {quote(timestamp)}}}'
            )
            out.send(ALERTS, record.key, alert)
