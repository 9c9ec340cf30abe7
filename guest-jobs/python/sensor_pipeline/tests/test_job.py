from job import ALERTS, READINGS, SensorPipeline
from pelton.testing import Row, run

HOT = (
    '{"message_id": "hot", "sensor_id": 34, "message": {"temperature": 30.5, "pressure": 950.0}, '
    '"timestamp": "2024-05-02T10:11:12.5+00:00"}'
)
COLD = (
    '{"message_id":"cold","sensor_id":1,"message":{"temperature":15},"timestamp":"2024-05-02T12:11:12+02:00"}'
)


def test_every_reading_is_a_row_and_hot_ones_are_alerts() -> None:
    result = run(SensorPipeline, [COLD, "{}", HOT])
    assert result.rows(READINGS) == [
        Row(0, ("cold", 1, '{"temperature": 15}', 1714644672000000)),
        Row(2, ("hot", 34, '{"temperature": 30.5, "pressure": 950.0}', 1714644672500000)),
    ]
    assert [message.record for message in result.messages(ALERTS)] == [2]
    assert result.rejects == [(1, "missing field `message_id` in value")]
