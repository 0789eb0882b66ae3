"""JSON as callers send it: UTF-8, no name twice, no deeper than is asked for; and where it is wrong."""

from __future__ import annotations

import json
from collections import Counter

DEPTH_MAX = 64  # what is asked for here is flatter by far
NUMBER_DIGITS_MAX = 308  # of the greatest number of double precision (IEEE 754)
_BOM = "\ufeff"


class InvalidJsonError(ValueError):
    """A text is no JSON that is taken here; the sentence follows the name of the text.

    Attributes:
        param: the name in the outermost object under which the fault lies, if it is known.
    """

    def __init__(self, sentence: str, *, param: str | None = None) -> None:
        super().__init__(sentence)
        self.param = param


class RepeatedNameError(ValueError):
    """A JSON object has a name twice, and its readers do not agree on which one counts."""

    def __init__(self, name: str) -> None:
        # JSON can name half characters, which no reply can carry.
        self.name = name[:80].encode("utf-8", "replace").decode()
        super().__init__(f"has {self.name!r} twice")


def parse_json(text: bytes | str, *, is_line: bool = False) -> object:
    """Parse JSON in which no object has a name twice.

    Args:
        text: what is to be JSON; bytes must be UTF-8, and nothing is guessed.
        is_line: it is one line of a file, whose number is told elsewhere.

    Raises:
        InvalidJsonError: it is none, and where; or it is more than is taken here.
        RepeatedNameError: an object in it has a name twice.
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
    # UTF-16 and UTF-32 of ASCII are UTF-8, too: with null characters in between.
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
    # What is greater others read as infinity, and Python's own bound names a setting of its interpreter.
    if len(digits) > NUMBER_DIGITS_MAX:
        raise InvalidJsonError(f"has a number of {len(digits):,} digits; a number may have {NUMBER_DIGITS_MAX} at most")
    return int(digits)


def _check_depth(value: object) -> None:
    # Not by recursion, which a caller could exhaust. The name is that in the outermost object.
    waiting: list[tuple[object, str | None, int]] = [(value, None, 0)]
    while waiting:
        part, param, depth = waiting.pop()
        if not isinstance(part, dict | list):
            continue
        if depth >= DEPTH_MAX:
            raise InvalidJsonError(f"is nested more than {DEPTH_MAX} levels deep", param=param)
        named = part.items() if isinstance(part, dict) else ((None, inner) for inner in part)
        waiting += [(inner, name if depth == 0 else param, depth + 1) for name, inner in named]


# Python's words for what it met, by their beginnings.
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
