"""The same cases as the Rust jobs' crate `sensors`, with the same reasons."""

import json
import math
from datetime import datetime, timedelta, timezone

import pytest
from pelton import Record, Reject
from sensors import Reading, microseconds_of, parse

MESSAGE = '{"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}'
GOOD = f'{{"message_id": "0a1b", "sensor_id": 7, "message": {MESSAGE}, "timestamp": "2024-05-02T10:11:12.123456+00:00"}}'
ALERT = (
    '{"message_id": "0a1b", "sensor_id": 7, "temperature": 30.5, "alert": "High temperature detected", '
    '"timestamp": "2024-05-02T10:11:12.123456+00:00"}'
)


def read(text: str) -> Reading:
    return parse(Record(None, text.encode(), (), None, 0, 0, 0))


def test_the_articles_reading_and_alert() -> None:
    time = "2024-05-02T10:11:12.123456+00:00"
    for _ in range(2):  # the second time the minute is known
        assert read(GOOD) == Reading("0a1b", 7, MESSAGE, 30.5, time, 1714644672123456)
        assert isinstance(read(GOOD), Reading)
    assert read(GOOD).alert() == ALERT


def test_unusual_but_valid() -> None:
    whole = read(GOOD.replace("30.5", "31"))
    assert '"temperature": 31.0, ' in whole.alert() and whole.message.startswith('{"temperature": 31, ')
    assert '"sensor_id": 0, ' in read(GOOD.replace("7,", "-0,")).alert()
    assert read(GOOD.replace(".123456", "")).microseconds == 1714644672000000
    assert read(GOOD.replace("0a1b", r"\u00e9é\n")).alert().startswith(r'{"message_id": "\u00e9\u00e9\n", ')
    tight = GOOD.replace(": ", ":").replace(", ", " ,")
    assert read(tight) == read(GOOD) == read(f" \n{GOOD}\t")
    assert read(GOOD.replace("pressure", "temperature")).temperature == 1000.12
    assert read(GOOD.replace('"sensor_id"', '"extra": [1, {"a": null}, {}], "empty": {}, "sensor_id"')) == read(GOOD)
    written = r'{"temperature": 3.05e1, "a": "\u00e9é,:\"x\" \\", "b": [1, {}]}'
    loose = written.replace(", ", " ,\n ").replace(": ", ":")
    assert read(GOOD.replace(MESSAGE, loose)).message == written


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


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert r"\\u0000" in read(GOOD.replace("1000.12", r'"\\u0000 \u0001"')).message


@pytest.mark.parametrize("temperature", ["0.00001", "-0.0", "100000000000000.25", "1e22", "12.3400", "0.1e-6"])
def test_alerts_print_numbers_as_json_dumps(temperature: str) -> None:
    alert = read(GOOD.replace("30.5", temperature)).alert()
    assert alert == json.dumps(json.loads(ALERT) | {"temperature": float(temperature)})
    assert math.isfinite(json.loads(alert)["temperature"])


def test_times() -> None:
    for text, expected in [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-05-02t10:11:12.5-02:30", 1714653672500000),
        ("2024-05-02 10:11:12.1234567z", 1714644672123456),
        ("2016-12-31T23:59:60Z", 1483228800000000),
        ("0001-01-01T00:00:00+23:59", -62135683140000000),
    ]:
        assert microseconds_of(text) == expected, text
    for text in [
        "", "yesterday", "2024-05-02", "2024-05-02T10:11:12", "2024-05-02T10:11:12.Z", "2024-05-02T10:11:12Z ",
        "2024-05-02T10:11:12+0000", "2024-05-02T10:11:12+24:00", "2024-05-02T24:00:00Z", "2024-05-02T10:60:00Z",
        "2024-05-02T10:11:61Z", "2024-13-02T10:11:12Z", "2024-00-02T10:11:12Z", "2024-02-30T10:11:12Z",
        "2023-02-29T10:11:12Z", "0000-01-01T00:00:00Z", "+2024-05-02T10:11:12Z", "2024-05-02T10:11:12.12\u0664Z",
    ]:  # fmt: skip
        assert microseconds_of(text) is None, text


def test_more_minutes_than_are_kept() -> None:
    start = datetime(2024, 5, 2, tzinfo=timezone.utc)
    for minute in range(200):
        moment = start + timedelta(minutes=minute, microseconds=7)
        text = GOOD.replace("2024-05-02T10:11:12.123456+00:00", moment.isoformat())
        expected = round(start.timestamp()) * 1_000_000 + minute * 60_000_000 + 7
        assert read(text).microseconds == read(text).microseconds == expected
