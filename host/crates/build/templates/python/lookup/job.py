"""Adds to each reading the site of its sensor, which a parameter says."""

import json

from pelton import Fields, Job, Outputs, Parameter, Parameters, Record, Reject, Spec, Topic

LOCATED = Topic("located")

READING = Fields(("sensor_id", "int4"), ("message.temperature", "float8"))


class Located(Job):
    spec = Spec(
        "{{name}}",
        "0.1.0",
        "{{description}}",
        sources=["sensors"],
        sinks=[LOCATED],
        parameters=[Parameter("sites", "a JSON object: the site of each sensor")],
    )

    def configure(self, parameters: Parameters) -> None:
        sites = parameters.get("sites", json.loads)
        self.sites = {int(sensor): str(site) for sensor, site in sites.items()}

    def process(self, record: Record, out: Outputs) -> None:
        sensor, temperature = READING.read(record)
        if sensor not in self.sites:
            raise Reject(f"sensor {sensor} has no site")
        located = {"sensor_id": sensor, "site": self.sites[sensor], "temperature": temperature}
        out.send(LOCATED, record.key, json.dumps(located))
