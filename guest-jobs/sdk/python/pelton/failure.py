"""What went wrong in a job, for its log and the dead letters: the exception, and where in the job it was raised.

The standard library's :mod:`traceback` looks for sources in the file system, and a job has none: the call would trap.
"""

from __future__ import annotations

import linecache
import re
from types import TracebackType

LIMIT = 4096
"""Bytes that the host keeps of a reason."""


_MOUNT = re.compile(r"^/[0-9]+/")
"""Where componentize-py had the job's sources: the folder's number says nothing."""


def describe(error: BaseException) -> str:
    """``Type: text`` and the frames, the innermost last as Python prints them."""
    frames = "\n".join(_frames(error.__traceback__))
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    because = f"\ncaused by {describe(cause)}" if cause is not None else ""
    return cut(f"{headline(error)}\n{frames}{because}".rstrip())


def headline(error: BaseException) -> str:
    """``Type: text``; the type alone where there is no text."""
    try:
        text = str(error)
    except Exception:
        text = "(its text can't be had)"
    name = type(error).__qualname__
    return f"{name}: {text}" if text else name


def cut(text: str, limit: int = LIMIT) -> str:
    """The text, or as much of it as fits so many bytes of UTF-8, with a sign that some is missing."""
    data = text.encode(errors="replace")
    if len(data) <= limit:
        return data.decode()
    return data[: limit - 3].decode(errors="ignore") + "…"


def _frames(traceback: TracebackType | None) -> list[str]:
    lines: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        # The SDK's own frames, which come first, tell an author nothing.
        if lines or traceback.tb_frame.f_globals.get("__package__") != __package__:
            lines.append(f'  File "{_MOUNT.sub("", code.co_filename)}", line {traceback.tb_lineno}, in {code.co_qualname}')
            source = _source(code.co_filename, traceback.tb_lineno)
            lines.extend([f"    {source}"] if source else [])
        traceback = traceback.tb_next
    return lines


def _source(file: str, line: int) -> str:
    """A line of what :mod:`pelton.component` kept at build time."""
    kept = linecache.cache.get(file)
    if kept is None or len(kept) != 4 or not 1 <= line <= len(kept[2]):
        return ""
    return kept[2][line - 1].strip()
