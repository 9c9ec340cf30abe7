"""Passes on the long ones of the words that it reads."""

from pelton import Job, Outputs, Parameter, Parameters, Record, Reject, Spec, Topic

LONG_WORDS = Topic("long_words")


class LongWords(Job):
    spec = Spec(
        "{{name}}",
        "0.1.0",
        "{{description}}",
        sources=["words"],
        sinks=[LONG_WORDS],
        parameters=[Parameter("letters", "words up to this long are dropped", default="4")],
    )

    def configure(self, parameters: Parameters) -> None:
        self.letters = parameters.get("letters", int)

    def process(self, record: Record, out: Outputs) -> None:
        word = record.text()
        if " " in word:
            raise Reject("more than one word")
        if len(word) > self.letters:
            out.forward(LONG_WORDS)
