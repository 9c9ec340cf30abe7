import pytest
from job import NOTE, OUT, ROWS, Conformance
from pelton.testing import Failure, Input, Message, run

EVERY = (
    True, -32768, -2147483648, -9223372036854775808, 1.5, 0.1, "-12.50", "é😀", "", b"\x00\xff", 1714644672123456, -1,
    -719162, bytes.fromhex("00112233445566778899aabbccddeeff"), '{"a": 1}', "[]",
)  # fmt: skip


def test_every_command() -> None:
    result = run(
        Conformance,
        [
            "forward",
            Input("echo", key="k", headers=[("a", "1"), ("a", None)], timestamp=5),
            "tombstone",
            "row",
            "nulls",
            Input("statement", key="note"),
            "reject",
            "log",
            "metrics",
            Input(None, key="k"),
            "what?",
        ],
        {"prefix": "at "},
        partition=2,
        first_offset=100,
    )
    headers = (("a", b"1"), ("a", None), ("source", b"0"))
    assert result.outputs(OUT) == [
        0,
        Message(1, b"k", b"at 2/101@5", headers),
        Message(2, None, None),
        Message(9, b"k", b"null"),
    ]
    assert [row.values for row in result.rows(ROWS)] == [EVERY, (None,) * 16]
    assert [row.values for row in result.rows(NOTE)] == [(105, "note")]
    assert result.rejects == [(6, "asked to")]
    levels = ["trace", "debug", "info", "warn", "error"]
    assert [level for level, _ in result.logs] == levels
    assert (result.counts, result.gauges) == ({"conformance_count": 2}, {"conformance_gauge": 0.5})


def test_raise_and_limit() -> None:
    with pytest.raises(Failure, match="record at partition 0 offset 1: RuntimeError: raised on purpose\n"):
        run(Conformance, ["forward", "raise"])
    assert run(Conformance, ["echo", "echo"], {"limit": "1"}).messages(OUT) == [
        Message(0, None, b"0/0@-", (("source", b"0"),))
    ]
    with pytest.raises(Failure, match="parameter `limit`: cannot read `many` as int"):
        run(Conformance, [], {"limit": "many"})
