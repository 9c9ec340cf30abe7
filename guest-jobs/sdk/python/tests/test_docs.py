"""The jobs of ``docs/sdk/python.md`` and of the README do what the pages say, and are as short."""

import re
from pathlib import Path
from typing import Any

import pytest

from pelton.testing import run

REPOSITORY = Path(__file__).parents[4]
PAGE = REPOSITORY / "docs" / "sdk" / "python.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="a copy of the SDK in a project has no docs beside it")


def blocks(page: Path) -> list[str]:
    found = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert all(len(block.splitlines()) < 40 for block in found)
    return found


def test_the_whole_job() -> None:
    job, test = blocks(PAGE)
    names: dict[str, Any] = {"__name__": "job"}
    exec(job, names)
    exec(test, names)


def test_the_job_of_the_readme() -> None:
    (job,) = blocks(REPOSITORY / "README.md")
    names: dict[str, Any] = {"__name__": "job"}
    exec(job, names)
    readings = [f'{{"message": {{"temperature": {degrees}}}}}' for degrees in ("31", "34.5", "null")]
    result = run(names["HotReadings"], [*readings, "{}"], {"above": "34"})
    assert result.forwards(names["HOT"]) == [1]
    assert result.rejects == [(2, "no temperature"), (3, "no temperature")]


def test_the_count_that_stays() -> None:
    (job,) = blocks(REPOSITORY / "docs" / "jobs.md")
    names: dict[str, Any] = {"__name__": "job"}
    exec(job, names)
    result = run(names["Counts"], ['{"sensor": "a"}', "{}", '{"sensor": "a"}'], partition=3, first_offset=2**40)
    rows = [row.values for row in result.rows(names["COUNTS"])]
    assert rows == [("a", 3, 2**40), ("a", 3, 2**40 + 2)]
    assert [index for index, _ in result.rejects] == [1]
