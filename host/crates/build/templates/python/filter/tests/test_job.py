import pytest
from job import HOT, HotReadings
from pelton.testing import Failure, run


def reading(temperature: float) -> str:
    return f'{{"message": {{"temperature": {temperature}}}}}'


def test_hot_readings_pass_and_no_readings_are_rejected() -> None:
    result = run(HotReadings, [reading(30.0), reading(30.1), '{"message": {}}', "17"])
    assert result.forwards(HOT) == [1]
    assert result.rejects == [(2, "no temperature"), (3, "no temperature")]


def test_the_temperature_is_a_parameter() -> None:
    assert run(HotReadings, [reading(27.0)], {"above": "26.5"}).forwards(HOT) == [0]
    with pytest.raises(Failure, match="parameter `above`: cannot read `warm` as float"):
        run(HotReadings, [], {"above": "warm"})
