"""The same cases as in the other SDKs, with the same reasons; and that a record which is printed as the one before is read
to the same values."""

import random
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from pelton import Fields, Record, Reject, microseconds

MESSAGE = '{"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}'
GOOD = f'{{"message_id": "0a1b", "sensor_id": 7, "message": {MESSAGE}, "timestamp": "2024-05-02T10:11:12.123456+00:00"}}'
PATHS = (
    ("message_id", "text"), ("sensor_id", "int4"), ("message", "object"), ("message.temperature", "float8"),
    ("timestamp", "text"), ("timestamp", "timestamptz"),
)  # fmt: skip
TIME = "2024-05-02T10:11:12.123456+00:00"


def of(text: str) -> Record:
    return Record(None, text.encode(), (), None, 0, 0, 0)


def outcome(fields: Fields, text: str) -> object:
    try:
        return fields.read(of(text))
    except Reject as reject:
        return str(reject)


def read(text: str) -> tuple[Any, ...]:
    """Reads it twice: the second time as what is printed as the one before."""
    fields = Fields(*PATHS)
    first = outcome(fields, text)
    assert outcome(fields, text) == first
    if isinstance(first, str):
        raise Reject(first)
    assert isinstance(first, tuple)
    return first


def test_every_kind_is_read() -> None:
    assert read(GOOD) == ("0a1b", 7, MESSAGE, 30.5, TIME, 1714644672123456)
    fields = Fields(("yes", "boolean"), ("n", "int8"), ("a.b.c", "text"), ("no", "text", "nullable"), ("a", "object"))
    text = '{"yes": true, "a": {"b": {"d": 1}}, "n": -9223372036854775808, "a": {"b": {"c": "\\n"}}}'
    assert fields.read(of(text)) == (True, -(2**63), "\n", None, r'{"b": {"c": "\n"}}')
    for text, expected in [
        ('{"yes": false, "n": 1, "a": {"b": {"c": "é"}}, "no": null}', (False, 1, "é", None, '{"b": {"c": "é"}}')),
        ('{"yes": true, "n": 2, "a": {"b": {"c": "d"}}, "no": null}', (True, 2, "d", None, '{"b": {"c": "d"}}')),
        ('{"yes": true, "n": 2, "a": {"b": {"c": "d"}}, "no": "x"}', (True, 2, "d", "x", '{"b": {"c": "d"}}')),
        ('{"yes": null, "n": 1}', "`yes` is not a boolean: null"),
        ('{"yes": true, "n": 9223372036854775808}', "`n` is beyond the range of BIGINT: 9223372036854775808"),
        ('{"yes": true, "n": 1, "a": {"b": {}}}', "missing field `c` in `a.b`"),
        ('{"yes": true, "n": 1, "a": [{"b": null}]}', "missing field `c` in `a.b`"),
    ]:
        assert outcome(fields, text) == expected
    with pytest.raises(ValueError, match="a field is read as one of text, .*, not json"):
        Fields(("a", "json"))  # type: ignore[arg-type]


def test_unusual_but_valid() -> None:
    assert read(GOOD.replace("30.5", "31"))[2:4] == (MESSAGE.replace("30.5", "31"), 31.0)
    assert read(GOOD.replace("7,", "-0,"))[1] == 0
    assert read(GOOD.replace(".123456", ""))[5] == 1714644672000000
    assert read(GOOD.replace("+00:00", "-08:30"))[5] == 1714644672123456 + 510 * 60_000_000
    assert read(GOOD.replace("0a1b", r"\u00e9é\n"))[0] == "éé\n"
    tight = GOOD.replace(": ", ":").replace(", ", " ,")
    assert read(tight) == read(GOOD) == read(f" \n{GOOD}\t")
    assert read(GOOD.replace("pressure", "temperature"))[3] == 1000.12
    assert read(GOOD.replace('"sensor_id"', '"extra": [1, {"a": null}, {}], "empty": {}, "sensor_id"')) == read(GOOD)
    written = r'{"temperature": 3.05e1, "a": "\u00e9é,:\"x\" \\", "b": [1, {}]}'
    loose = written.replace(", ", " ,\n ").replace(": ", ":")
    assert read(GOOD.replace(MESSAGE, loose))[2] == written


def test_what_is_printed_alike_is_read_to_the_same_values() -> None:
    random.seed(1)
    fast, slow = Fields(*PATHS), Fields(*PATHS)
    slow._misses = 3 << 40  # which is never a power of two from here on: it learns nothing
    odd = "\"\\{}[]:,0-.eE+tfnué\x7f \n"
    seeds = [GOOD, GOOD.replace(MESSAGE, '{"a": [true, null, "x"], "temperature": -0.25, "e": {}}')]
    for seed in seeds:
        fast.read(of(seed))
        for _ in range(20_000):
            text = list(seed)
            for _ in range(random.randrange(3)):
                at = random.randrange(len(text))
                text[at] = random.choice(odd if random.random() < 0.5 else seed)
            assert outcome(fast, "".join(text)) == outcome(slow, "".join(text)), "".join(text)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("{", "hello{", "value is not JSON: "),
        (GOOD[40:], "", "value is not JSON: "),
        ("0a1b", "0\0b", "value is not JSON: "),
        ("30.5", "NaN", "value is not JSON: "),
        (GOOD, GOOD + " x", "value is not JSON: "),
        (GOOD, "[]", "value is not a JSON object"),
        (GOOD, "null", "value is not a JSON object"),
        (GOOD, "{}", "missing field `message_id` in value"),
        ('"message":', '"massage":', "missing field `message` in value"),
        ("sensor_id", "sensor", "missing field `sensor_id` in value"),
        ("temperature", "heat", "missing field `temperature` in `message`"),
        ('"0a1b"', "12", "`message_id` is not a string: 12"),
        ("0a1b", r"\ud800", r'`message_id` is not valid Unicode: "\ud800"'),
        ("0a1b", r"0\u0000", "`message_id` holds a NUL character"),
        ("1000.12", r'"\u0000"', "`message` holds a NUL character"),
        ("1000.12", r'"\\\u0000"', "`message` holds a NUL character"),
        ("7,", "7.5,", "`sensor_id` is not an integer: 7.5"),
        ("7,", "1e0,", "`sensor_id` is not an integer: 1e0"),
        ("7,", "0.0,", "`sensor_id` is not an integer: 0.0"),
        ("7,", "2147483647.00000001,", "`sensor_id` is not an integer: 2147483647.00000001"),
        ("7,", f"1{'0' * 4300},", f"`sensor_id` is beyond the range of INT: 1{'0' * 59}…"),
        ("7,", '[ 1,2\t, {"a":1.50} ],', '`sensor_id` is not an integer: [ 1,2\t, {"a":1.50} ]'),
        (MESSAGE, '[ 30.50,\t1e+2 ]', '`message` is not a JSON object: [ 30.50,\t1e+2 ]'),
        ("30.5", '{ "b":1 }', '`temperature` is not a number: { "b":1 }'),
        ("7,", '"7",', '`sensor_id` is not an integer: "7"'),
        ("7,", "2147483648,", "`sensor_id` is beyond the range of INT: 2147483648"),
        ("7,", "-99999999999999999999,", "`sensor_id` is beyond the range of INT: -99999999999999999999"),
        ("30.5", '"30.5"', '`temperature` is not a number: "30.5"'),
        ("30.5", "1e999", "`temperature` is beyond the range of a double: 1e999"),
        ("2024", "soon", '`timestamp` is not a time with offset (RFC 3339): "soon-05-02T10:11:12.123456+00:00"'),
        ("05-02", "13-02", '`timestamp` is not a time with offset (RFC 3339): "2024-13-02T10:11:12.123456+00:00"'),
        ("+00:00", "", '`timestamp` is not a time with offset (RFC 3339): "2024-05-02T10:11:12.123456"'),
        (MESSAGE, "[30.5]", "`message` is not a JSON object: [30.5]"),
        ("7,", '"' + "é" * 1000 + '",', '`sensor_id` is not an integer: "' + "é" * 59 + "…"),
    ],
)
def test_every_bad_value_says_why(old: str, new: str, reason: str) -> None:
    assert old in GOOD
    with pytest.raises(Reject) as caught:
        read(GOOD.replace(old, new, 1))
    assert str(caught.value) == reason or reason.endswith("JSON: ") and str(caught.value).startswith(reason)


def test_a_number_has_as_many_digits_as_it_likes() -> None:
    long = "1" + "0" * 4300
    assert read(GOOD.replace("30.5", f'31, "n": {long}, "f": 0.{long}'))[3] == 31.0
    whole = of(f'{{"n": {long}, "m": [-{long}]}}').json()
    assert whole == {"n": 10**4300, "m": [-(10**4300)]}
    assert str(whole["n"]) == long


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert r"\\u0000" in read(GOOD.replace("1000.12", r'"\\u0000 \u0001"'))[2]


def test_times() -> None:
    for text, expected in [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-05-02t10:11:12.5-02:30", 1714653672500000),
        ("2024-05-02 10:11:12.1234567z", 1714644672123456),
        ("2016-12-31T23:59:60Z", 1483228800000000),
        ("0001-01-01T00:00:00+23:59", -62135683140000000),
        ("1600-02-29T23:59:59.999999Z", -11670912000000001),
        ("2400-02-29T12:00:00.123457Z", 13574606400123457),
        ("9999-12-31T23:59:60.999999-23:59", 253402387140999999),
    ]:
        assert microseconds(text) == expected, text
    for text in [
        "", "yesterday", "2024-05-02", "2024-05-02T10:11:12", "2024-05-02T10:11:12.Z", "2024-05-02T10:11:12Z ",
        "2024-05-02T10:11:12+0000", "2024-05-02T10:11:12+24:00", "2024-05-02T24:00:00Z", "2024-05-02T10:60:00Z",
        "2024-05-02T24:00:00.000000Z", "2024-05-02T00:00:00-24:00", "2024-05-02T00:00:00+00:60", "1700-02-29T00:00:00Z",
        "2024-05-02T10:11:61Z", "2024-13-02T10:11:12Z", "2024-00-02T10:11:12Z", "2024-02-30T10:11:12Z",
        "2023-02-29T10:11:12Z", "0000-01-01T00:00:00Z", "+2024-05-02T10:11:12Z", "2024-05-02T10:11:12.12\u0664Z",
    ]:  # fmt: skip
        assert microseconds(text) is None, text


def test_no_text_is_none_for_the_expression_too() -> None:
    fields = Fields(*PATHS)
    fields.read(of(GOOD))
    assert outcome(fields, "") == "value is empty"
    for value, reason in [(None, "value is null (a tombstone)"), (b"\xff", "value is not UTF-8: invalid at byte 0")]:
        with pytest.raises(Reject) as caught:
            fields.read(Record(None, value, (), None, 0, 0, 0))
        assert str(caught.value) == reason


def test_more_minutes_than_are_kept() -> None:
    fields = Fields(*PATHS)
    start = datetime(2024, 5, 2, tzinfo=timezone.utc)
    for minute in range(200):
        moment = start + timedelta(minutes=minute, microseconds=7)
        text = GOOD.replace("2024-05-02T10:11:12.123456+00:00", moment.isoformat())
        expected = round(start.timestamp()) * 1_000_000 + minute * 60_000_000 + 7
        assert read(text)[5] == fields.read(of(text))[5] == expected
