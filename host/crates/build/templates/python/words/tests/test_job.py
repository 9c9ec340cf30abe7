import pytest
from job import LONG_WORDS, LongWords
from pelton.testing import Failure, run


def test_long_words_pass_and_two_words_are_rejected() -> None:
    result = run(LongWords, ["four", "longer", "two words", ""])
    assert result.forwards(LONG_WORDS) == [1]
    assert result.rejects == [(2, "more than one word"), (3, "value is empty")]


def test_the_length_is_a_parameter() -> None:
    assert run(LongWords, ["four"], {"letters": "3"}).forwards(LONG_WORDS) == [0]
    with pytest.raises(Failure, match="parameter `letters`: cannot read `many` as int"):
        run(LongWords, [], {"letters": "many"})
