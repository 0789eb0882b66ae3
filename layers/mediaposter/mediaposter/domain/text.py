"""Refuse text that UTF-8, JSON, the table or a receiver further on cannot hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]

# # JSON can escape one half of a surrogate pair, which UTF-8 cannot encode. No published text has a null character, and
# neither XML nor an HTTP header can carry one.
_UNWRITABLE = re.compile(r"[\x00\ud800-\udfff]")


class UnwritableTextError(ValueError):
    """A text within a value cannot be encoded.

    Attributes:
        reason: what is wrong with the text; it follows the text's name in a sentence.
        path: the path to the text; for a name in an object, the path to the object.
    """

    def __init__(self, reason: str, path: Path) -> None:
        super().__init__(f"{write_path(path)}: {reason}" if path else reason)
        self.reason = reason
        self.path = path


def refuse_unwritable(text: str) -> str:
    """Return a text that UTF-8 can encode.

    Raises:
        ValueError: the text has a lone surrogate or a null character.
    """
    found = _UNWRITABLE.search(text)
    if found is None:
        return text
    if found[0] == "\0":
        raise ValueError("must not have null characters")
    raise ValueError(f"has half a character (U+{ord(found[0]):04X}); send whole characters")


def refuse_unwritable_within(value: object) -> None:
    """Check each text of a value at any depth, including the names in its objects.

    Raises:
        UnwritableTextError: names the path of the first text that cannot be encoded.
    """
    for place, text, is_name in _list_texts(value):
        try:
            refuse_unwritable(text)
        except ValueError as error:
            reason = f"a name in it {error}" if is_name else str(error)
            raise UnwritableTextError(reason, _trace(place)) from error


def write_path(path: Path) -> str:
    """Write the path to a part of a value: `publish[0].page_id`."""
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name


# # The path to a part: the path of its parent, and its name or index there.
_Place: TypeAlias = "tuple[_Place, str | int] | None"


def _list_texts(value: object) -> Iterator[tuple[_Place, str, bool]]:
    """List texts with their paths, in order. It does not recurse, since a caller could exhaust the stack."""
    waiting: list[tuple[_Place, object]] = [(None, value)]
    while waiting:
        place, part = waiting.pop()
        if isinstance(part, str):
            yield place, part, False
        elif isinstance(part, Mapping):
            yield from ((place, name, True) for name in part if isinstance(name, str))
            waiting += reversed([((place, str(name)), inner) for name, inner in part.items()])
        elif isinstance(part, list | tuple):
            waiting += reversed([((place, index), inner) for index, inner in enumerate(part)])


def _trace(place: _Place) -> Path:
    parts: list[str | int] = []
    while place is not None:
        place, part = place
        parts.append(part)
    return tuple(reversed(parts))
