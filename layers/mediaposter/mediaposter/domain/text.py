"""Text that can be written: as UTF-8, as JSON, into the table, and by whoever gets it after that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]

# JSON can name half of a character, which UTF-8 cannot write. Nothing that is published has a null character, and
# neither XML nor a header can carry one.
_UNWRITABLE = re.compile(r"[\x00\ud800-\udfff]")


class UnwritableTextError(ValueError):
    """A text somewhere in a value cannot be written.

    Attributes:
        reason: what is wrong with it, after its name.
        path: what leads to it; to the object, if it is a name in one.
    """

    def __init__(self, reason: str, path: Path) -> None:
        super().__init__(f"{write_path(path)}: {reason}" if path else reason)
        self.reason = reason
        self.path = path


def refuse_unwritable(text: str) -> str:
    """Pass on a text that can be written as UTF-8.

    Raises:
        ValueError: it has half a character, or a null character.
    """
    found = _UNWRITABLE.search(text)
    if found is None:
        return text
    if found[0] == "\0":
        raise ValueError("must not have null characters")
    raise ValueError(f"has half a character (U+{ord(found[0]):04X}); send whole characters")


def refuse_unwritable_within(value: object) -> None:
    """Look at each text of a value, the names in its objects among them, however deep it lies.

    Raises:
        UnwritableTextError: naming the first that cannot be written by its path.
    """
    for place, text, is_name in _list_texts(value):
        try:
            refuse_unwritable(text)
        except ValueError as error:
            reason = f"a name in it {error}" if is_name else str(error)
            raise UnwritableTextError(reason, _trace(place)) from error


def write_path(path: Path) -> str:
    """Write what leads to a part of a value: `publish[0].page_id`."""
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name


# Where a part lies: the place of what it is a part of, and its name or number there.
_Place: TypeAlias = "tuple[_Place, str | int] | None"


def _list_texts(value: object) -> Iterator[tuple[_Place, str, bool]]:
    """List texts with their places, in order; not by recursion, which a caller could exhaust."""
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
