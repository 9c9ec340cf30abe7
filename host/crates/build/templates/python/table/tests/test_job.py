from job import READINGS, Readings
from pelton.testing import Row, run

READING = '{"message_id": "a", "sensor_id": 4, "message": {"temperature": 27.5}, "timestamp": "1970-01-01T01:00:02+01:00"}'


def test_a_reading_is_a_row() -> None:
    result = run(Readings, [READING])
    assert result.rows(READINGS) == [Row(record=0, values=("a", 4, 27.5, '{"temperature": 27.5}', 2_000_000))]


def test_what_has_no_place_in_the_table_is_rejected() -> None:
    result = run(Readings, [READING.replace("4", '"four"'), READING.replace('"message_id": "a", ', "")])
    assert result.rows(READINGS) == []
    assert result.rejects == [(0, '`sensor_id` is not an integer: "four"'), (1, "missing field `message_id` in value")]
