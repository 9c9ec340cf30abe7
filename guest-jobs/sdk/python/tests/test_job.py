"""A job with a sink of each kind, run natively: what its author emits is what the host is given."""

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from pelton import Column, Job, Outputs, Parameter, Parameters, Record, Reject, Source, Spec, Statement, Table, Topic
from pelton import log, metrics
from pelton.testing import Failure, Input, Message, Row, run

OUT = Topic("out")
PAIRS = Table(
    "schema.pairs",
    [Column("key", "bytea", nullable=True), Column("length", "int4")],
    key=["key"],
    on_conflict="update",
    name="pairs",
)
DELETE = Statement("delete", "DELETE FROM pairs WHERE length = ?", ["int4"])


class Puppet(Job):
    spec = Spec(
        "puppet",
        "1.2.3",
        "does as it is told",
        sources=["in", Source("more", headers=True)],
        sinks=[OUT, PAIRS, DELETE],
        parameters=[Parameter("suffix", "comes after a key", default="!"), Parameter("count", "a number")],
    )

    def configure(self, parameters: Parameters) -> None:
        if parameters.get("count", int) == 0:
            raise ValueError("`count` is zero")
        self.suffix = parameters.get("suffix")

    def process(self, record: Record, out: Outputs) -> None:
        match record.text():
            case "forward":
                out.forward(OUT)
            case "send":
                key = None if record.key is None else record.key + self.suffix.encode()
                out.send(OUT, key, None, record.headers)
            case "row":
                out.row(PAIRS, record.key, 3)
            case "delete":
                out.row(DELETE, 7)
            case "too few":
                out.row(PAIRS, None)
            case "wrong type":
                out.row(PAIRS, "key", 1)
            case "wrong placeholder":
                out.row(DELETE, "7")
            case "beyond":
                out.row(DELETE, 2**31)
            case "row to topic":
                out.row(OUT)  # type: ignore[arg-type]
            case "message to table":
                out.forward(PAIRS)  # type: ignore[arg-type]
            case "undeclared":
                out.forward(Topic("elsewhere"))
            case "number as key":
                out.send(OUT, 5, None)  # type: ignore[arg-type]
            case "log":
                log.warn("careful")
                metrics.count("seen", 2)
                metrics.count("seen")
                metrics.gauge("level", 0.5)
            case "raise":
                {}["nothing"]  # type: ignore[index]
            case "key":
                raise Reject(repr(record.key_text()))
            case other:
                raise Reject(f"cannot {other}")


COUNT = {"count": "1"}


def failure(*records: str) -> str:
    with pytest.raises(Failure) as caught:
        run(Puppet, ["forward", *records], COUNT, partition=3, first_offset=40)
    return str(caught.value)


def test_a_key_is_text_or_a_reject() -> None:
    keys = [None, b"", "é".encode(), b"a\xff", b"\xe2\x82"]
    result = run(Puppet, [Input("key", key=key) for key in keys], COUNT)
    assert [reason for _, reason in result.rejects] == [
        "None", "''", "'é'", "key is not UTF-8: invalid at byte 1", "key is not UTF-8: invalid at byte 0",
    ]  # fmt: skip


def test_every_output_names_its_record() -> None:
    records = [
        Input("forward"),
        Input("row", key="k"),
        Input("send"),
        Input("send", key="k", headers=[("a", "1"), ("a", None)]),
        Input("forward"),
        Input("row"),
        Input("fly"),
        Input("delete"),
    ]
    result = run(Puppet, records, COUNT, source=1)
    headers = (("a", b"1"), ("a", None))
    assert result.outputs(OUT) == [0, Message(2, None, None), Message(3, b"k!", None, headers), 4]
    assert result.rows(PAIRS) == [Row(1, (b"k", 3)), Row(5, (None, 3))]
    assert result.rows(DELETE) == [Row(7, (7,))]
    assert result.rejects == [(6, "cannot fly")]


def test_headers_only_where_the_source_asks_for_them() -> None:
    result = run(Puppet, [Input("send", headers=[("a", "1")])], COUNT)
    assert result.messages(OUT) == [Message(0, None, None)]


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("too few", "sink `pairs`: a row has 2 values, not 1 (at offset 41)"),
        ("wrong type", "sink `pairs`: column `key` is bytea and takes bytes, not str (at offset 41)"),
        ("wrong placeholder", "sink `delete`: placeholder 1 is int4 and takes an int of 32 bits, not str (at offset 41)"),
        ("beyond", "sink `delete`: placeholder 1 is int4 and takes an int of 32 bits, not 2147483648 (at offset 41)"),
        ("number as key", "sink `out`: a key is a str, bytes or None, not int (at offset 41)"),
        ("row to topic", "sink `out`: a topic takes no rows"),
        ("message to table", "sink `pairs`: a table or statement takes rows, not messages"),
        ("undeclared", "sink `elsewhere`: not among the sinks of the job's spec"),
    ],
)
def test_a_mistake_fails_the_batch_and_says_what_is_wrong(does: str, reason: str) -> None:
    assert reason in failure(does)


def test_an_exception_fails_the_batch_with_its_place() -> None:
    lines = failure("row", "raise").splitlines()
    assert lines[0] == "record at partition 3 offset 42: KeyError: 'nothing'"
    assert lines[1].startswith('  File "') and lines[1].endswith(", in Puppet.process")


def test_a_reason_has_at_most_4_kib() -> None:
    class Shout(Job):
        spec = Spec("shout", "1", "", sources=["in"])

        def process(self, record: Record, out: Outputs) -> None:
            raise RuntimeError("é" * 9000)

    with pytest.raises(Failure) as caught:
        run(Shout, ["x"])
    assert len(str(caught.value).encode()) <= 4096 and str(caught.value).endswith("é…")


def test_what_configure_refuses() -> None:
    for parameters, reason in [
        ({"count": "0"}, "`count` is zero"),
        ({"count": "x"}, "parameter `count`: cannot read `x` as int: invalid literal for int() with base 10: 'x'"),
    ]:
        with pytest.raises(Failure) as caught:
            run(Puppet, [], parameters)
        assert str(caught.value) == reason
    for parameters, reason in [({}, "parameter `count` is not set"), ({**COUNT, "x": ""}, "the job has no parameter `x`")]:
        with pytest.raises(ValueError, match=reason):
            run(Puppet, [], parameters)
    with pytest.raises(ValueError, match="which its spec does not declare"):
        Parameters({}).get("other")
    assert Parameters({"a": "false"}).get("a", bool) is False


def test_logs_and_metrics_are_kept() -> None:
    result = run(Puppet, ["log"], COUNT)
    assert (result.logs, result.counts, result.gauges) == ([("warn", "careful")], {"seen": 3}, {"level": 0.5})


def record(value: bytes | None) -> Record:
    return Record(None, value, (), None, 0, 0, 0)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "value is null (a tombstone)"),
        (b"", "value is empty"),
        (b"ab\xffc", "value is not UTF-8: invalid at byte 2"),
        (b"\xed\xa0\x80", "value is not UTF-8: invalid at byte 0"),
        (b"{", "value is not JSON: Expecting property name"),
        (b"[1] 2", "value is not JSON: Extra data"),
        (b"NaN", "value is not JSON: NaN is no JSON value"),
        (b"[-Infinity]", "value is not JSON: -Infinity is no JSON value"),
        (b"[" * 100_000, "value is not JSON: nested deeper than 128"),
        ("\ufeff{}".encode(), "value is not JSON: "),
    ],
)
def test_values_that_are_rejected(value: bytes | None, reason: str) -> None:
    with pytest.raises(Reject) as caught:
        record(value).json()
    assert str(caught.value).startswith(reason)


def test_json_is_that_of_the_standard_library() -> None:
    for text in ['{"a": [1, 2.5, "\\u00e9", null]}', " 1 ", '"x"', "1e999", "-0", "[" * 128 + "]" * 128, f'{["["] * 200}'.replace("'", '"')]:
        assert record(text.encode()).json() == json.loads(text)


EVERY = Table(
    "every",
    [
        Column(kind, kind, nullable=True)
        for kind in (
            "boolean", "int2", "int8", "float4", "float8", "numeric", "text", "bytea", "timestamptz", "timestamp", "date",
            "uuid", "jsonb",
        )
    ],
)  # fmt: skip
ZONE = timezone(timedelta(hours=2))
UUID_BYTES = bytes(range(16))


@pytest.mark.parametrize("rows", [1, 9])
def test_values_of_every_type(rows: int) -> None:
    class Emit(Job):
        spec = Spec("emit", "1", "", sources=["in"], sinks=[EVERY])

        def process(self, record: Record, out: Outputs) -> None:
            if record.offset % 3 == 0:
                moment = datetime(2024, 5, 2, 12, 11, 12, 5, ZONE)
                naive = datetime(1969, 12, 31, 23, 59, 59, 999999)
                out.row(EVERY, True, -5, 2**62, 0.5, 1, Decimal("-12.50"), "é", b"\0\xff", moment, naive, date(1, 1, 1),
                        UUID(bytes=UUID_BYTES), "[]")  # fmt: skip
            elif record.offset % 3 == 1:
                out.row(EVERY, *[None] * 13)
            else:
                out.row(EVERY, False, 5, 0, 1, 0.25, "1e3", "", b"", 1, -1, 2, UUID_BYTES, "1")

    given = [row.values for row in run(Emit, ["x"] * rows).rows(EVERY)]
    first = (True, -5, 2**62, 0.5, 1.0, "-12.50", "é", b"\0\xff", 1714644672000005, -1, -719162, UUID_BYTES, "[]")
    third = (False, 5, 0, 1.0, 0.25, "1e3", "", b"", 1, -1, 2, UUID_BYTES, "1")
    assert given == ([first, (None,) * 13, third] * 3)[:rows]


@pytest.mark.parametrize(
    ("kind", "value", "what"),
    [
        ("boolean", 1, "takes a bool, not int"),
        ("int2", 32768, "takes an int of 16 bits, not 32768"),
        ("int8", 2**63, "takes an int of 64 bits, not 9223372036854775808"),
        ("int4", 1.0, "takes an int of 32 bits, not float"),
        ("float4", 1e39, "takes a float of 32 bits, not 1e+39"),
        ("float8", "1", "takes a float, not str"),
        ("text", b"x", "takes a str, not bytes"),
        ("text", "\ud800", "takes a str, not text with half a surrogate pair"),
        ("bytea", "x", "takes bytes, not str"),
        ("uuid", b"x", "takes a UUID or 16 bytes, not 1 bytes"),
        ("timestamptz", datetime(2024, 1, 1), "not a datetime without timezone"),
        ("timestamp", datetime(2024, 1, 1, tzinfo=ZONE), "not a datetime with timezone"),
        ("date", datetime(2024, 1, 1), "not datetime"),
    ],
)
def test_values_that_do_not_fit(kind: str, value: object, what: str) -> None:
    sink = Table("t", [Column("c", kind)])  # type: ignore[arg-type]

    class Emit(Job):
        spec = Spec("emit", "1", "", sources=["in"], sinks=[sink])

        def process(self, record: Record, out: Outputs) -> None:
            out.row(sink, value)  # type: ignore[arg-type]

    with pytest.raises(Failure) as caught:
        run(Emit, ["x"])
    assert f"column `c` is {kind} and " in str(caught.value) and what in str(caught.value)


def test_what_a_job_remembers_is_declared_once_and_never_set() -> None:
    class Counter(Job):
        spec = Spec(
            "counter",
            "1",
            "counts",
            sources=["in"],
            parameters=[Parameter("from", "the first number", default="0")],
            remembers="the number of records",
        )

        def configure(self, parameters: Parameters) -> None:
            parameters.get("from", int)
            with pytest.raises(ValueError):
                parameters.get("pelton.remembers")

        def process(self, record: Record, out: Outputs) -> None:
            pass

    declared = [(item.name, item.description, item.default) for item in Counter.spec.declared()]
    assert declared == [("from", "the first number", "0"), ("pelton.remembers", "the number of records", "true")]
    assert [item.name for item in Puppet.spec.declared()] == ["suffix", "count"]
    run(Counter, ["a"])
    with pytest.raises(ValueError, match="the job has no parameter `pelton.remembers`"):
        run(Counter, ["a"], {"pelton.remembers": "true"})
