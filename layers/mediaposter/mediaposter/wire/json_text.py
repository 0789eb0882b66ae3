"""Parse JSON from callers strictly: UTF-8, no duplicate names, limited depth; errors name the position."""

from __future__ import annotations

import json
from collections import Counter

DEPTH_MAX = 64  # real requests are far flatter
NUMBER_DIGITS_MAX = 308  # of the largest double-precision number (IEEE 754)
_BOM = "\ufeff"


class InvalidJsonError(ValueError):
    """A text is not JSON, or breaks our limits; the message follows the name of the text.

    Attributes:
        param: the name in the outermost object that holds the error, if known.
    """

    def __init__(self, sentence: str, *, param: str | None = None) -> None:
        super().__init__(sentence)
        self.param = param


class RepeatedNameError(ValueError):
    """A JSON object has a duplicate name; parsers disagree on which value counts."""

    def __init__(self, name: str) -> None:
        # JSON can escape lone surrogates, which no reply can hold.
        self.name = name[:80].encode("utf-8", "replace").decode()
        super().__init__(f"has {self.name!r} twice")


def parse_json(text: bytes | str, *, is_line: bool = False) -> object:
    """Parse JSON without duplicate names.

    Args:
        text: the JSON; bytes must be UTF-8, and no encoding is guessed.
        is_line: it is one line of a file; the caller reports its number.

    Raises:
        InvalidJsonError: it is not JSON (names the position), or breaks a limit.
        RepeatedNameError: an object in it has a duplicate name.
    """
    text = _decode(text) if isinstance(text, bytes) else text.removeprefix(_BOM)
    try:
        value = json.loads(text, object_pairs_hook=_collect_pairs, parse_int=_read_whole_number)
    except json.JSONDecodeError as error:
        raise InvalidJsonError(_describe(error, is_line=is_line)) from error
    except RecursionError as error:
        raise InvalidJsonError(f"is nested more than {DEPTH_MAX} levels deep") from error
    _check_depth(value)
    return value


def _decode(content: bytes) -> str:
    # ASCII in UTF-16 or UTF-32 is also valid UTF-8, with null characters in between.
    if b"\0" in content or content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidJsonError(
            "is not valid JSON: it is not UTF-8, for it has null bytes, as UTF-16 and UTF-32 have; send it as UTF-8"
        )
    try:
        return content.decode("utf-8").removeprefix(_BOM)
    except UnicodeDecodeError as error:
        raise InvalidJsonError(
            f"is not valid JSON: it is not UTF-8, for byte {error.start + 1} of it is 0x{content[error.start]:02X}, as "
            "in Latin-1 or Windows-1252; send it as UTF-8"
        ) from error


def _collect_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise RepeatedNameError(next(name for name, count in counts.items() if count > 1))
    return fields


def _read_whole_number(digits: str) -> int:
    # Other parsers read a larger number as infinity, and the error of Python's own limit names an interpreter setting.
    if len(digits) > NUMBER_DIGITS_MAX:
        raise InvalidJsonError(f"has a number of {len(digits):,} digits; a number may have {NUMBER_DIGITS_MAX} at most")
    return int(digits)


def _check_depth(value: object) -> None:
    # Without recursion, since a caller could exhaust the stack. The name is the one in the outermost object.
    waiting: list[tuple[object, str | None, int]] = [(value, None, 0)]
    while waiting:
        part, param, depth = waiting.pop()
        if not isinstance(part, dict | list):
            continue
        if depth >= DEPTH_MAX:
            raise InvalidJsonError(f"is nested more than {DEPTH_MAX} levels deep", param=param)
        named = part.items() if isinstance(part, dict) else ((None, inner) for inner in part)
        waiting += [(inner, name if depth == 0 else param, depth + 1) for name, inner in named]


# The beginnings of Python's error messages.
_EXPECTATIONS = (
    (
        "Expecting value",
        "a value is expected: a text in double quotes, a number, true, false, null, a list or an object",
    ),
    ("Expecting property name", "a name in double quotes is expected"),
    ("Expecting ':'", "a colon is expected"),
    ("Expecting ','", "a comma is expected, or the end of the list or object"),
    ("Illegal trailing comma", "nothing follows the comma"),
    ("Unterminated string", "the text that begins here has no closing quote"),
    ("Invalid control character", r"a line break, a tab or the like is written with a backslash, as \n"),
    ("Invalid \\escape", r"a backslash that is meant as one is written twice, as \\"),
    ("Invalid \\uXXXX", r"four hexadecimal digits follow \u"),
    ("Extra data", "the JSON ended before this"),
)


def _describe(error: json.JSONDecodeError, *, is_line: bool) -> str:
    if not error.doc.strip():
        return "is not valid JSON: it is empty"
    place = f"column {error.colno}" if is_line else f"line {error.lineno}, column {error.colno}"
    words = next((words for beginning, words in _EXPECTATIONS if error.msg.startswith(beginning)), "this is no JSON")
    end = "the text ends here, and " if error.pos >= len(error.doc.rstrip()) else ""
    return f"is not valid JSON: {place}: {end}{words}"
