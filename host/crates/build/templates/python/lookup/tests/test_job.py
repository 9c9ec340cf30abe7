import pytest
from job import LOCATED, Located
from pelton.testing import Failure, run

SITES = '{"4": "Hall 1"}'


def reading(sensor: int) -> str:
    return f'{{"sensor_id": {sensor}, "message": {{"temperature": 27.5}}}}'


def test_a_reading_gets_its_site() -> None:
    result = run(Located, [reading(4), reading(5)], {"sites": SITES})
    located = b'{"sensor_id": 4, "site": "Hall 1", "temperature": 27.5}'
    assert [message.value for message in result.messages(LOCATED)] == [located]
    assert result.rejects == [(1, "sensor 5 has no site")]


def test_sites_that_are_none_refuse_the_submit() -> None:
    for sites in ("{", '{"four": "Hall 1"}'):
        with pytest.raises(Failure):
            run(Located, [], {"sites": sites})
