"""Numbers and byte strings laid end to end, with or without nulls, read and written as the contract says.

What is done for each item is done in C where Python can: a batch has a thousand records, and an interpreted loop over
them costs more than most jobs do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import Any

from .contract import Headers, NullablePacked, Packed

_Bytes = bytes | None
Header = tuple[str, str | bytes | None]


def pack_numbers(code: str, items: Sequence[Any]) -> bytes:
    """Numbers of one of :mod:`struct`'s kinds. Raises :class:`struct.error` where one is of another type or range."""
    return struct.pack(f"<{len(items)}{code}", *items)


def numbers(code: str, data: bytes) -> tuple[Any, ...]:
    """The numbers that :func:`pack_numbers` packed."""
    return struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data)


def ends_of(items: Iterable[Any]) -> bytes:
    """Where each of some items ends, when they lie end to end: the packed sums of their lengths."""
    return pack_numbers("I", list(accumulate(map(len, items))))


def slices(packed: Packed) -> list[bytes]:
    """The items."""
    data, ends = packed.bytes, numbers("I", packed.ends)
    return [data[start:end] for start, end in zip(chain((0,), ends), ends)]


def validity_of(items: Sequence[object]) -> bytes:
    """Arrow's bitmap of which items are not ``None``; empty where none is."""
    if None not in items:
        return b""
    digits = "".join(["0" if item is None else "1" for item in reversed(items)])
    return int(digits, 2).to_bytes((len(items) + 7) // 8, "little")


def valid(validity: bytes, count: int) -> list[bool]:
    """Which of so many items are not null."""
    if not validity:
        return [True] * count
    digits = f"{int.from_bytes(validity, 'little'):0{count}b}"[::-1]
    return [digit == "1" for digit in digits[:count]]


def nullable_items(packed: NullablePacked) -> Sequence[_Bytes]:
    """The items, ``None`` where one is null."""
    validity, count = packed.validity, len(packed.items.ends) // 4
    if not validity:
        return slices(packed.items)
    if not any(validity):
        return [None] * count
    return [item if is_valid else None for item, is_valid in zip(slices(packed.items), valid(validity, count))]


def pack(items: Iterable[bytes]) -> Packed:
    """Byte strings, packed."""
    items = list(items)
    return Packed(ends_of(items), b"".join(items))


def pack_text(items: Sequence[str]) -> Packed:
    """Texts, packed as UTF-8. Raises :class:`UnicodeEncodeError` where one holds half a surrogate pair."""
    text = "".join(items)
    if text.isascii():
        return Packed(ends_of(items), text.encode())
    return pack(map(str.encode, items))


def pack_nullable(items: Sequence[str | bytes | None]) -> NullablePacked:
    """Texts, byte strings and nulls, packed. Raises :class:`TypeError` where one is something else."""
    kinds = set(map(type, items))
    if kinds == {str}:
        return NullablePacked(b"", pack_text(items))  # type: ignore[arg-type]
    if kinds == {type(None)}:
        return NullablePacked(bytes((len(items) + 7) // 8), Packed(bytes(4 * len(items)), b""))
    return NullablePacked(validity_of(items), pack(map(_encoded, items)))


def _encoded(item: str | bytes | None) -> bytes:
    if item is None:
        return b""
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bytes):
        return item
    raise TypeError(type(item).__name__)


def pack_headers(headers: Sequence[Sequence[Header]]) -> Headers | None:
    """The headers of messages or records; nothing where none has any."""
    if not any(headers):
        return None
    flat = list(chain.from_iterable(headers))
    names = pack_text([name for name, _ in flat])
    values = pack_nullable([value for _, value in flat])
    return Headers(ends_of(headers), names, values)


def headers_of(headers: Headers) -> list[tuple[tuple[str, _Bytes], ...]]:
    """The headers of each record. A byte of a name that is not UTF-8 reads as U+FFFD."""
    names = [name.decode(errors="replace") for name in slices(headers.names)]
    pairs = tuple(zip(names, nullable_items(headers.values)))
    ends = numbers("I", headers.ends)
    return [pairs[start:end] for start, end in zip(chain((0,), ends), ends)]
