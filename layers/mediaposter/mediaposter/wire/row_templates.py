"""Fill the columns of a row into a text that all rows share: "A {product} on {place}".

A name between braces is a column, and nothing else: there are no attributes, indexes, conversions or formats. `{{` and
`}}` are the braces themselves. What a cell holds is taken as it is, braces included.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field

from mediaposter.ai.catalog import PROMPT_MAX_CHARACTERS
from mediaposter.domain.errors import InvalidRequest
from mediaposter.domain.text import refuse_unwritable
from mediaposter.publishing.targets import TEXT_MAX_CHARACTERS
from mediaposter.wire.body_fields import refuse_blank
from mediaposter.wire.cells import refuse_failed_formula, trim
from mediaposter.wire.requests import TITLE_MAX_CHARACTERS, CreateVideoRequest

_COLUMN_MAX_CHARACTERS = 100
_PIECE = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<column>[^{}]*)\}|(?P<stray>[{}])")
_NOT_IN_A_NAME = re.compile(r"[.\[\]!:\x00-\x1f\x7f]")
_ID = "id"


class Template:
    """A text with columns. `columns` are their names, in order."""

    def __init__(self, text: str) -> None:
        """Read a template.

        Raises:
            ValueError: a brace is stray, or does not enclose the name of a column.
        """
        self._pieces: list[tuple[str, str | None]] = []
        done = 0
        for found in _PIECE.finditer(text):
            if found["stray"]:
                raise ValueError(
                    f"has a stray {found['stray']} at character {found.start() + 1}: a column is written as "
                    "{product}, and a brace itself is written twice"
                )
            literal = text[done : found.start()] + (found["brace"] or "")[:1]
            self._pieces.append((literal, None if found["brace"] else _check_column(found["column"])))
            done = found.end()
        self._end = text[done:]
        self.columns = tuple(dict.fromkeys(column for _, column in self._pieces if column is not None))

    def fill(self, values: Mapping[str, str]) -> str:
        """Write the text with the values of its columns, all of which must be there."""
        written = [literal + ("" if column is None else values[column]) for literal, column in self._pieces]
        return "".join([*written, self._end])


def _check_column(text: str) -> str:
    name = text.strip()
    if not name:
        raise ValueError("has braces without a column between them: a brace itself is written twice, as {{ or }}")
    if len(name) > _COLUMN_MAX_CHARACTERS:
        raise ValueError(f"names a column of more than {_COLUMN_MAX_CHARACTERS} characters")
    if _NOT_IN_A_NAME.search(name):
        raise ValueError(f"has {{{name[:40]}}}, and braces hold the name of a column alone, without . [ ] ! or :")
    return name


def check_template(text: str) -> str:
    """Refuse a text that is no template.

    Raises:
        ValueError: says where it is wrong.
    """
    Template(text)
    return text


_CheckedTemplate = AfterValidator(check_template)
PromptTemplate = Annotated[
    str, Field(min_length=1, max_length=PROMPT_MAX_CHARACTERS), AfterValidator(refuse_blank), _CheckedTemplate
]
TextTemplate = Annotated[
    str, Field(min_length=1, max_length=TEXT_MAX_CHARACTERS), AfterValidator(refuse_blank), _CheckedTemplate
]
TitleTemplate = Annotated[
    str, Field(min_length=1, max_length=TITLE_MAX_CHARACTERS), AfterValidator(refuse_blank), _CheckedTemplate
]


class RowTemplates(NamedTuple):
    """The templates of a file's rows, by the field that each makes: `prompt`, `text`, `title`."""

    by_field: Mapping[str, Template]

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> RowTemplates:
        """Read templates that were checked before."""
        return cls({field: Template(text) for field, text in texts.items()})

    @property
    def columns(self) -> tuple[str, ...]:
        """List the columns that any of them names."""
        return tuple(dict.fromkeys(column for template in self.by_field.values() for column in template.columns))

    @property
    def own_columns(self) -> frozenset[str]:
        """List the columns that a row has for the templates alone, and that are no fields of a request."""
        return frozenset(self.columns) - CreateVideoRequest.model_fields.keys() - {_ID}

    def fill(self, fields: dict[str, Any], row_id: str | None) -> dict[str, Any]:
        """Give the fields of a request: a row's own, without the columns that only the templates need.

        Raises:
            InvalidRequest: names the column that is missing, empty or no text, or the field that the row has beside
                its template.
        """
        if not self.by_field:
            return fields
        for field, template in self.by_field.items():
            if field not in template.columns and not _is_empty(fields.get(field)):
                raise InvalidRequest(
                    f"{field}: the template makes it, and the row has one of its own. Empty it, or name it in the "
                    f"template, as {{{field}}}.",
                    param=field,
                    code="invalid_value",
                )
        values = {column: _read_value(column, {**fields, _ID: row_id}) for column in self.columns}
        own_columns = self.own_columns
        kept = {name: value for name, value in fields.items() if name not in own_columns}
        return {**kept, **{field: template.fill(values) for field, template in self.by_field.items()}}


NO_TEMPLATES = RowTemplates({})


def describe_missing(column: str, known: Collection[str], *, where: str) -> str:
    """Say that a template names a column that a row or a header does not have, and which one may be meant."""
    by_lower = {name.lower(): name for name in known}
    matches = get_close_matches(column.lower(), by_lower, n=1)
    guess = f" Did you mean {{{by_lower[matches[0]]}}}?" if matches else ""
    return f"{column}: the template names this column, and {where} does not have it.{guess}"


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not trim(value))


def _read_value(column: str, fields: Mapping[str, Any]) -> str:
    value = fields.get(column)
    if column not in fields:
        raise InvalidRequest(
            describe_missing(column, fields, where="the row"), param=column, code="missing_required_parameter"
        )
    if _is_empty(value):
        raise InvalidRequest(
            f"{column}: the template names this column, and it is empty in this row.",
            param=column,
            code="missing_required_parameter",
        )
    # A sheet-to-JSON program writes 12 as 12.0.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidRequest(
            f"{column}: the template names this field, so it must be a text or a number.",
            param=column,
            code="invalid_value",
        )
    try:
        return refuse_failed_formula(refuse_unwritable(trim(str(value))))
    except ValueError as error:
        raise InvalidRequest(f"{column}: {error}.", param=column, code="invalid_value") from error
