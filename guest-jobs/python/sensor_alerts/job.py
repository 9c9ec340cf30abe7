"""Alerts on readings above a temperature: the filter of the article's job."""

from pelton import Job, Outputs, Parameter, Parameters, Record, Spec, Topic
from sensors import parse

ALERTS = Topic("alerts")


class SensorAlerts(Job):
    """The job."""

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
        reading = parse(record)
        if reading.temperature > self.threshold:
            out.send(ALERTS, record.key, reading.alert())
