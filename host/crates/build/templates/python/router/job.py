"""Passes each reading on to the topic that its temperature says."""

from pelton import Fields, Job, Outputs, Parameter, Parameters, Record, Spec, Topic

HOT = Topic("hot")
MILD = Topic("mild")
COLD = Topic("cold")

READING = Fields(("message.temperature", "float8"))


class ByTemperature(Job):
    spec = Spec(
        "{{name}}",
        "0.1.0",
        "{{description}}",
        sources=["sensors"],
        sinks=[HOT, MILD, COLD],
        parameters=[
            Parameter("hot", "degrees Celsius above which a reading is hot", default="30"),
            Parameter("cold", "degrees Celsius below which it is cold", default="10"),
        ],
    )

    def configure(self, parameters: Parameters) -> None:
        self.hot = parameters.get("hot", float)
        self.cold = parameters.get("cold", float)
        if self.cold > self.hot:
            raise ValueError("`cold` is above `hot`")

    def topic(self, temperature: float) -> Topic:
        if temperature > self.hot:
            return HOT
        return COLD if temperature < self.cold else MILD

    def process(self, record: Record, out: Outputs) -> None:
        (temperature,) = READING.read(record)
        out.forward(self.topic(temperature))
