import pytest
from job import COLD, HOT, MILD, ByTemperature
from pelton.testing import Failure, run

READINGS = [f'{{"message": {{"temperature": {celsius}}}}}' for celsius in (9.9, 10.0, 30.0, 30.1)]


def test_each_reading_goes_to_one_topic() -> None:
    result = run(ByTemperature, READINGS)
    assert [result.forwards(topic) for topic in (COLD, MILD, HOT)] == [[0], [1, 2], [3]]


def test_what_is_no_reading_is_rejected() -> None:
    result = run(ByTemperature, ['{"message": {}}'])
    assert result.rejects == [(0, "missing field `temperature` in `message`")]


def test_the_bounds_are_parameters() -> None:
    assert run(ByTemperature, READINGS, {"hot": "9", "cold": "5"}).forwards(HOT) == [0, 1, 2, 3]
    with pytest.raises(Failure, match="`cold` is above `hot`"):
        run(ByTemperature, [], {"cold": "31"})
