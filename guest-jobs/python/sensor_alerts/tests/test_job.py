import pytest
from job import ALERTS, SensorAlerts
from pelton.testing import Failure, Input, Message, run


def reading(temperature: str) -> str:
    return (
        f'{{"message_id": "id", "sensor_id": 1, "message": {{"temperature": {temperature}}}, '
        '"timestamp": "2024-05-02T10:11:12+00:00"}'
    )


def alert(temperature: str) -> bytes:
    return (
        f'{{"message_id": "id", "sensor_id": 1, "temperature": {temperature}, '
        '"alert": "High temperature detected", "timestamp": "2024-05-02T10:11:12+00:00"}'
    ).encode()


def test_only_readings_above_the_threshold_are_alerts() -> None:
    result = run(SensorAlerts, map(reading, ["30.01", "30.0", "-40.5", "34.99"]))
    assert result.messages(ALERTS) == [Message(0, None, alert("30.01")), Message(3, None, alert("34.99"))]
    assert result.rejects == []


def test_the_threshold_is_a_parameter() -> None:
    for threshold, alerts in [("24.5", 1), ("25", 0)]:
        assert len(run(SensorAlerts, [reading("25.0")], {"threshold": threshold}).messages(ALERTS)) == alerts
    with pytest.raises(Failure, match="parameter `threshold`: cannot read `hot` as float"):
        run(SensorAlerts, [], {"threshold": "hot"})


def test_the_key_is_kept() -> None:
    assert run(SensorAlerts, [Input(reading("31.5"), key="k")]).messages(ALERTS)[0].key == b"k"


def test_bad_records_are_rejected_and_the_rest_goes_on() -> None:
    result = run(SensorAlerts, [None, "", b'{"a": "\xff"}', "{}", reading("31.0")])
    assert result.rejects == [
        (0, "value is null (a tombstone)"),
        (1, "value is empty"),
        (2, "value is not UTF-8: invalid at byte 7"),
        (3, "missing field `message_id` in value"),
    ]
    assert [message.record for message in result.messages(ALERTS)] == [4]
