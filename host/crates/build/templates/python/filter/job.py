"""Passes on the readings above a temperature."""

from pelton import Job, Outputs, Parameter, Parameters, Record, Reject, Spec, Topic

HOT = Topic("hot")


class HotReadings(Job):
    spec = Spec(
        "{{name}}",
        "0.1.0",
        "{{description}}",
        sources=["sensors"],
        sinks=[HOT],
        parameters=[Parameter("above", "degrees Celsius", default="30")],
    )

    def configure(self, parameters: Parameters) -> None:
        self.above = parameters.get("above", float)

    def process(self, record: Record, out: Outputs) -> None:
        try:
            is_hot = record.json()["message"]["temperature"] > self.above
        except (KeyError, TypeError):
            raise Reject("no temperature") from None
        if is_hot:
            out.forward(HOT)
