"""Explain a validation error to people: the rule and the count, never Pydantic's own words or a pattern.

The sentences follow the name of a field: `seconds: must be a whole number`. They repeat only numbers, because any other
value may be a prompt or a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

# A longer number adds nothing, and may be as long as a request body.
_NUMBER = re.compile(r"-?[0-9][0-9.e+-]{0,20}")
_GREATEST_SHOWN = 10**20


def find_problem(error: ValidationError) -> ErrorDetails:
    """Return the first error. It holds the value that was sent: count with it, but do not repeat it."""
    return error.errors(include_url=False)[0]


def tell_rule(problem: ErrorDetails) -> str:
    """State the rule that a value breaks, and by how much: `must have at most 500 characters, got 504`."""
    tell = _RULES.get(problem["type"])
    return "is not valid here" if tell is None else tell(problem["input"], problem.get("ctx", {}))


_Tell = Callable[[Any, Mapping[str, Any]], str]


def _say(sentence: str) -> _Tell:
    return lambda _value, _context: sentence


def _bound(sentence: str, name: str) -> _Tell:
    """Describe the bound on a number, and the number."""

    def tell(value: Any, context: Mapping[str, Any]) -> str:
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _GREATEST_SHOWN
        text = str(value) if is_number or isinstance(value, str) else ""
        got = f", got {text}" if _NUMBER.fullmatch(text) else ""
        return f"must be {sentence} {context[name]}{got}"

    return tell


def _bound_length(sentence: str, name: str, unit: str, units: str) -> _Tell:
    """Describe the bound on a length, and the length."""

    def tell(value: Any, context: Mapping[str, Any]) -> str:
        limit = context[name]
        # For a text that a validator has read before, Pydantic counts entries.
        one, many = ("character", "characters") if isinstance(value, str) else (unit, units)
        size = context.get("actual_length")
        if size is None and hasattr(value, "__len__"):
            size = len(value)
        if limit == 1 and sentence == "at least":
            return "must not be empty"
        got = "" if size is None else f", got {size}"
        return f"must have {sentence} {limit} {one if limit == 1 else many}{got}"

    return tell


def _tell_reason(_value: Any, context: Mapping[str, Any]) -> str:
    """Return the sentence of one of our own rules."""
    return str(context.get("error", "is not valid here"))


def _tell_choices(_value: Any, context: Mapping[str, Any]) -> str:
    # Pydantic writes `'a', 'b' or 'c'`.
    choices = str(context.get("expected", context.get("expected_tags", ""))).replace(" or ", ", ").replace("'", "")
    return f"must be one of {choices}" if ", " in choices else f"must be {choices}"


# A fixed text, then a repeated character class: `^upload_[0-9a-f]{32}$`.
_FORM = re.compile(r"\^(?P<prefix>[A-Za-z_]*)\[(?P<characters>[^\]]+)\](?P<count>\+|\*|\{(\d+)(?:,(\d+))?\})\$")
_GROUPS = MappingProxyType(
    {
        "A-Z": "capital letters",
        "a-z": "small letters",
        "A-Za-z": "letters A to Z",
        "0-9": "digits",
        "0-9a-f": "digits and letters a to f",
        "!-~": "printable ASCII characters other than the space",
        r"\x00-\x1f": "line breaks and other control characters",
        r"\x00": "null characters",
    }
)
_GROUP = re.compile("|".join(map(re.escape, sorted(_GROUPS, key=len, reverse=True))) + r"|.", re.DOTALL)


def _tell_form(value: Any, context: Mapping[str, Any]) -> str:
    pattern = str(context.get("pattern", ""))
    if pattern.startswith("^https://"):
        return "must be an https URL; characters other than printable ASCII are percent-encoded in it"
    if pattern == r"^[1-9]\d{1,4}x[1-9]\d{1,4}$":
        return "must be a width and a height in pixels, as 1280x720"
    form = _FORM.fullmatch(pattern)
    if form is None:
        return "does not have the form that it must have"
    prefix, characters, count = form["prefix"], form["characters"], form["count"]
    is_negated = characters.startswith("^")
    words = [_GROUPS.get(group, group) for group in _GROUP.findall(characters.removeprefix("^"))]
    listed = (
        " ".join(words) if len(words) == 1 else f"{', '.join(words[:-1])} {'or' if is_negated else 'and'} {words[-1]}"
    )
    if is_negated:
        return f"must not be empty or have {listed}" if count == "+" else f"must not have {listed}"
    least, most = (int(form[4]), int(form[5] or form[4])) if form[4] else (int(count == "+"), None)
    if prefix:
        return f"must be {prefix} and {least} {listed}"
    size = len(value) if isinstance(value, str) else None
    if most is not None and size is not None and not least <= size <= most:
        many = f"{least}" if least == most else f"{least} to {most}"
        return f"must have {many} characters, got {size}"
    return f"may have {listed} only"


_NUMBER_RULE = _say("must be a number")
_WHOLE_NUMBER = _say("must be a whole number")
_FLAG = _say("must be true or false")
_TEXT = _say("must be a text")
_LIST = _say("must be a list")
_OBJECT = _say("must be an object")
_DATE = _say("must be a date, as 2026-12-24")
_MOMENT = _say("must be a date and time with its offset, as 2026-12-24T18:00:00Z")
_URL = _say("must be a URL")

_RULES: Mapping[str, _Tell] = MappingProxyType(
    {
        "value_error": _tell_reason,
        # The error of publishing/targets.py for a text that its network would refuse.
        "text_rule": lambda _value, context: str(context["sentence"]),
        "assertion_error": _tell_reason,
        "missing": _say("is required"),
        "extra_forbidden": _say("is not known here"),
        "literal_error": _tell_choices,
        "enum": _tell_choices,
        "union_tag_invalid": _tell_choices,
        "union_tag_not_found": _say("is required"),
        "none_required": _say("must be null"),
        "json_invalid": _say("is not valid JSON"),
        "json_type": _say("must be JSON as text"),
        "recursion_loop": _say("is nested too deeply"),
        "recursion_depth_exceeded": _say("is nested too deeply"),
        "greater_than": _bound("more than", "gt"),
        "greater_than_equal": _bound("at least", "ge"),
        "less_than": _bound("less than", "lt"),
        "less_than_equal": _bound("at most", "le"),
        "multiple_of": _bound("a multiple of", "multiple_of"),
        "finite_number": _say("must be a finite number"),
        "int_type": _WHOLE_NUMBER,
        "int_parsing": _WHOLE_NUMBER,
        "int_from_float": _WHOLE_NUMBER,
        "int_parsing_size": _say("is too large a number"),
        "float_type": _NUMBER_RULE,
        "float_parsing": _NUMBER_RULE,
        "decimal_type": _NUMBER_RULE,
        "decimal_parsing": _NUMBER_RULE,
        "bool_type": _FLAG,
        "bool_parsing": _FLAG,
        "string_type": _TEXT,
        "string_unicode": _say("must be text of whole characters"),
        "string_not_ascii": _say("must have ASCII characters only"),
        "string_too_short": _bound_length("at least", "min_length", "character", "characters"),
        "string_too_long": _bound_length("at most", "max_length", "character", "characters"),
        "string_pattern_mismatch": _tell_form,
        "bytes_type": _TEXT,
        "bytes_too_short": _bound_length("at least", "min_length", "byte", "bytes"),
        "bytes_too_long": _bound_length("at most", "max_length", "byte", "bytes"),
        "too_short": _bound_length("at least", "min_length", "entry", "entries"),
        "too_long": _bound_length("at most", "max_length", "entry", "entries"),
        "list_type": _LIST,
        "tuple_type": _LIST,
        "set_type": _LIST,
        "frozen_set_type": _LIST,
        "iterable_type": _LIST,
        "dict_type": _OBJECT,
        "mapping_type": _OBJECT,
        "model_type": _OBJECT,
        "model_attributes_type": _OBJECT,
        "dataclass_type": _OBJECT,
        "invalid_key": _say("has a name that is no text"),
        "date_type": _DATE,
        "date_parsing": _DATE,
        "date_from_datetime_parsing": _DATE,
        "date_from_datetime_inexact": _DATE,
        "date_past": _say("must lie in the past"),
        "date_future": _say("must lie in the future"),
        "datetime_type": _MOMENT,
        "datetime_parsing": _MOMENT,
        "datetime_object_invalid": _MOMENT,
        "datetime_from_date_parsing": _MOMENT,
        "datetime_past": _say("must lie in the past"),
        "datetime_future": _say("must lie in the future"),
        "timezone_naive": _say("must have no offset"),
        "timezone_aware": _say("must have an offset, as Z or +02:00"),
        "timezone_offset": _say("has the wrong offset"),
        "time_type": _say("must be a time, as 18:00"),
        "time_parsing": _say("must be a time, as 18:00"),
        "url_type": _URL,
        "url_parsing": _URL,
        "url_syntax_violation": _URL,
        "url_too_long": _bound_length("at most", "max_length", "character", "characters"),
        "url_scheme": _URL,
        "uuid_type": _say("must be a UUID"),
        "uuid_parsing": _say("must be a UUID"),
        "uuid_version": _say("must be a UUID"),
    }
)
