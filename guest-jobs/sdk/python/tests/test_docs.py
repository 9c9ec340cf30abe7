"""The job of ``docs/sdk/python.md`` does what the page says, and is as short as it says."""

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[4] / "docs" / "sdk" / "python.md"


@pytest.mark.skipif(not PAGE.exists(), reason="a copy of the SDK in a project has no docs beside it")
def test_the_whole_job() -> None:
    job, test = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(job.splitlines()) < 40
    names: dict[str, Any] = {"__name__": "job"}
    exec(job, names)
    exec(test, names)
