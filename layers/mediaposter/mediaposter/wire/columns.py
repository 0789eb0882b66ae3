"""The columns of a CSV of requests, and how to read their cells.

A column has the name of its field: `prompt`, `metadata.campaign`, `publish.instagram.account_id`, and for a second
account of that network `publish.instagram.2.account_id`. Other columns are those that a template of the file names. An
empty cell means that the field is not set. If all cells of a target are empty, the row does not have that target.
Spreadsheets omit trailing empty cells of a row, or write more cells than there are columns; both mean nothing.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import AwareDatetime

from mediaposter.domain.errors import InvalidRequest
from mediaposter.domain.text import refuse_unwritable
from mediaposter.publishing.targets import TARGETS_MAX
from mediaposter.wire.bodies import validate_fields
from mediaposter.wire.body_fields import TARGETS
from mediaposter.wire.cells import read_flag, read_moment, read_whole_number, refuse_failed_formula, trim
from mediaposter.wire.json_text import RepeatedNameError, parse_json
from mediaposter.wire.records import Record
from mediaposter.wire.requests import CreateVideoRequest
from mediaposter.wire.row_templates import NO_TEMPLATES, RowTemplates, describe_missing

ROW_ID = "id"
LIST_SEPARATOR = "|"

_KEY_MAX_CHARACTERS = 64
_NESTED = ("publish", "metadata", "provider_options")
_PLACES = "publish.<network>.<field>, metadata.<name>, provider_options.<name>"
_NUMBER = re.compile(r"[0-9]{1,3}")
NETWORKS = MappingProxyType({get_args(model.model_fields["platform"].annotation)[0]: model for model in TARGETS})
# Prose is kept as it is. Any other cell loses the invisible characters at both ends.
_PROSE = frozenset({"prompt", "text", "title", "alt_text", "first_comment"})
_SEPARATOR_NAMES = MappingProxyType({",": "comma", ";": "semicolon", "\t": "tab"})
_CURLY_QUOTES = ("\u201c", "\u201d", "\u201e", "\u201f", "\u00ab", "\u00bb")

_ReadCell = Callable[[str], object]


class HeaderError(InvalidRequest):
    """The header of a CSV names an unknown column, or lacks a required one; no row was read."""


class _Column(NamedTuple):
    """A column: the object its cells belong to ("" is the request itself), its field there, and how to read a cell."""

    name: str
    parent: str
    field: str
    read: _ReadCell

    def find_value(self, cell: str) -> str:
        """Return the value of a cell, or "" if it looks empty and is not prose."""
        return cell if self.field in _PROSE or self.parent == "metadata" else trim(cell)

    def is_unticked(self, cell: str) -> bool:
        """Tell whether a cell is an unticked checkbox: a sheet also has them in unused rows."""
        return self.read is read_flag and trim(cell) == "FALSE"


class Columns:
    """The columns of a file, in order; a column without a name is None."""

    def __init__(
        self, columns: tuple[_Column | None, ...], separator: str, templates: RowTemplates = NO_TEMPLATES
    ) -> None:
        self._columns = columns
        self._separator = separator
        self._template_columns = templates.own_columns
        self._template_fields = frozenset(templates.by_field)

    @classmethod
    def read(cls, header: Record, templates: RowTemplates = NO_TEMPLATES) -> Columns:
        """Read the header of a file, which may also have the columns that its templates name.

        Raises:
            HeaderError: names the first wrong or missing column, and the valid ones.
        """
        template_columns = templates.own_columns
        try:
            text = header.decode(name="The header")
            cells = _split_cells(text, name="The header", separator=header.separator)
        except InvalidRequest as error:
            raise HeaderError(error.message, code=error.code) from error
        names = _drop_blank_end([trim(cell) for cell in cells])
        _refuse_no_header(text, names)
        _require_template_columns(names, templates)
        columns: dict[str, _Column] = {}
        for position, name in enumerate(names, start=1):
            if name in columns:
                first = names.index(name) + 1
                raise _refuse(name, f"the header has it twice, as columns {first} and {position}", "duplicate_field")
            if name:
                columns[name] = _Column(name, "", name, str) if name in template_columns else _find_column(name)
        _require_columns(columns, is_prompt_made="prompt" in templates.by_field)
        return cls(tuple(columns.get(name) for name in names), header.separator, templates)

    def parse(self, text: str) -> dict[str, Any] | None:
        """Return the cells of a row that have a value, by column; none for a blank row.

        Raises:
            InvalidRequest: the row is not valid CSV, or has cells for which the header has no name.
        """
        cells = _split_cells(text, name="The row", separator=self._separator)
        filled = _drop_blank_end(cells)
        if len(filled) > len(self._columns):
            raise self._refuse_surplus(filled)
        if self._is_unused(filled):
            return None
        values = dict.fromkeys(self._template_columns, "")
        # A sheet omits trailing empty cells of a row, or has surplus ones.
        for number, (column, cell) in enumerate(zip(self._columns, cells, strict=False), start=1):
            if column is None and trim(cell):
                raise InvalidRequest(
                    f"Cell {number} of the row has something in it, and column {number} of the header has no name. "
                    "Name the column, or empty the cell.",
                    code="invalid_csv",
                )
            if column is not None and (value := column.find_value(cell)):
                values[column.name] = value
        return values

    def _is_unused(self, cells: Sequence[str]) -> bool:
        return all(
            not trim(cell) or (column is not None and column.is_unticked(cell))
            for column, cell in zip(self._columns, cells, strict=False)
        )

    def _refuse_surplus(self, cells: Sequence[str]) -> InvalidRequest:
        advice = f"A cell with a {_SEPARATOR_NAMES[self._separator]} in it is written in quotes."
        if any(trim(cell).startswith(_CURLY_QUOTES) for cell in cells):
            advice = f'{advice} Those must be straight, as ": curly ones are letters of the text.'
        return InvalidRequest(
            f"The row has {len(cells)} cells, and the header has {len(self._columns)} columns. {advice}",
            code="invalid_csv",
        )

    def validate(self, cells: Mapping[str, str]) -> CreateVideoRequest:
        """Read the cells of a row as a request.

        Raises:
            InvalidRequest: names the column and the rule.
        """
        objects: dict[str, dict[str, Any]] = {}
        for column in self._columns:
            if column is not None and column.name in cells and column.name not in self._template_fields:
                objects.setdefault(column.parent, {})[column.field] = _read_cell(column, cells[column.name])
        targets = [parent for parent in objects if parent.startswith("publish.")]
        fields = {**objects.pop("", {}), **{name: cells[name] for name in self._template_fields}}
        if targets:
            fields["publish"] = [{"platform": name.split(".")[1], **objects.pop(name)} for name in targets]
        try:
            return validate_fields(CreateVideoRequest, {**fields, **objects})
        except InvalidRequest as refusal:
            raise _rename(refusal, targets) from refusal


def _split_cells(text: str, *, name: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True, delimiter=separator), [])
    except csv.Error as error:
        lines = len(re.findall(r"\r\n?|\n", text)) + 1
        span = f" A quote in it made {lines} lines one row." if lines > 1 else ""
        raise InvalidRequest(f"{name} is not valid CSV: {error}.{span}", code="invalid_csv") from error


def _drop_blank_end(cells: list[str]) -> list[str]:
    size = len(cells)
    while size and not trim(cells[size - 1]):
        size -= 1
    return cells[:size]


def _refuse_no_header(text: str, names: Sequence[str]) -> None:
    """Refuse a line that is not a CSV header, and say what it is instead."""
    if "\0" in text:
        raise HeaderError("The header has null bytes, which are not text.", code="invalid_encoding")
    if trim(text).startswith(("{", "[")):
        raise HeaderError(
            "The file is JSON, and was sent as CSV. Send it as JSON Lines, one object on each line: as "
            "application/jsonl, or under a name that ends in .jsonl.",
            code="invalid_csv",
        )
    if len(names) == 1 and LIST_SEPARATOR in names[0]:
        raise HeaderError(
            f"The header has {LIST_SEPARATOR} between its columns. Save the file with commas, semicolons or tabs.",
            code="invalid_csv",
        )
    for position, name in enumerate(names, start=1):
        try:
            refuse_unwritable(name)
        except ValueError as error:
            raise HeaderError(f"Column {position} of the header {error}.", code="invalid_encoding") from error


def _find_column(name: str) -> _Column:
    """Find the field that a column's name stands for.

    Raises:
        HeaderError: there is no field of this name.
    """
    root, _, rest = name.partition(".")
    if name == ROW_ID:
        return _Column(name, "", ROW_ID, str)
    if name == "publish":
        raise _refuse(name, "a network and a field follow, as in publish.instagram.account_id")
    if root == "publish":
        return _find_target_column(name, rest)
    if root in _NESTED:
        if not 1 <= len(rest) <= _KEY_MAX_CHARACTERS:
            raise _refuse(name, f"a name of 1 to {_KEY_MAX_CHARACTERS} characters follows, as in {root}.<name>")
        if root == "metadata":
            return _Column(name, root, rest, str)
        if "." in rest:
            raise _refuse(name, f"an option that is an object is written as JSON, in {root}.{rest.partition('.')[0]}")
        return _Column(name, root, rest, _read_option)
    fields = CreateVideoRequest.model_fields
    if name not in fields:
        known = [ROW_ID, *(field for field in fields if field not in _NESTED)]
        others = f"{_PLACES}, and what a template names"
        raise _refuse(name, _list_known("no column is called that", name, known, others=others))
    return _Column(name, "", name, _choose_reader(name, fields[name].annotation))


def _find_target_column(name: str, rest: str) -> _Column:
    """Find the target and field of a column named `publish.<network>[.<number>].<field>`."""
    platform, _, field = rest.partition(".")
    model = NETWORKS.get(platform)
    if model is None:
        raise _refuse(name, _list_known("no network is called that", platform, NETWORKS))
    parent = f"publish.{platform}"
    number, _, numbered_field = field.partition(".")
    if _NUMBER.fullmatch(number):
        if number.startswith("0") or not 2 <= int(number) <= TARGETS_MAX:
            raise _refuse(name, f"the first account of a network has no number, further ones 2 to {TARGETS_MAX}")
        parent, field = f"{parent}.{number}", numbered_field
    known = model.model_fields.keys() - {"platform"}
    if field not in known:
        raise _refuse(name, _list_known(f"{platform} has no such field", field, sorted(known)))
    return _Column(name, parent, field, _choose_reader(field, model.model_fields[field].annotation))


def _list_known(sentence: str, name: str, known: Collection[str], *, others: str = "") -> str:
    """List the known names for an error message. The caller's name is cut: it may be as long as a row."""
    matches = get_close_matches(name[:80].strip().lower(), known, n=1)
    guess = f"; did you mean {matches[0]!r}?" if matches else "."
    return f"{sentence}{guess} There are {', '.join([*known, *filter(None, [others])])}"


def _require_template_columns(names: Sequence[str], templates: RowTemplates) -> None:
    """Refuse a header without a column of a template, first of all: the column may only be written differently."""
    for column in templates.columns:
        if column not in names:
            sentence = describe_missing(column, names, where="the header")
            raise HeaderError(sentence, param=column, code="missing_required_parameter")


def _require_columns(columns: Mapping[str, _Column], *, is_prompt_made: bool) -> None:
    if "prompt" not in columns and not is_prompt_made:
        raise _refuse("prompt", "the header must have this column", "missing_required_parameter")
    for column in columns.values():
        account = f"{column.parent}.account_id"
        if column.parent.startswith("publish.") and account not in columns:
            reason = f"the header must have this column, as it has {column.name}"
            raise _refuse(account, reason, "missing_required_parameter")


def _refuse(name: str, reason: str, code: str = "unknown_parameter") -> HeaderError:
    return HeaderError(f"{name[:80]}: {reason}.", param=name[:80], code=code)


def _choose_reader(field: str, annotation: object) -> _ReadCell:
    kinds = set(_list_kinds(annotation))
    if bool in kinds:
        return read_flag
    if list in kinds:
        return _read_ids if field.endswith("_ids") else _read_list
    if AwareDatetime in kinds:
        return read_moment
    # An id has only digits, so a sheet takes it for a number.
    if int in kinds or field.endswith("_id"):
        return read_whole_number
    return str


def _list_kinds(annotation: object) -> Iterator[object]:
    """List the types in an annotation; for a list, the list type."""
    origin = get_origin(annotation)
    if origin is list:
        yield list
    elif origin is not Literal:
        yield from (kind for part in get_args(annotation) for kind in _list_kinds(part))
        if isinstance(annotation, type):
            yield annotation


def _read_cell(column: _Column, text: str) -> object:
    if "\0" in text:
        raise InvalidRequest(
            f"{column.name}: has null bytes, which are not text.", param=column.name, code="invalid_encoding"
        )
    try:
        refuse_unwritable(text)
        refuse_failed_formula(text)
        return column.read(text)
    except ValueError as error:
        raise InvalidRequest(f"{column.name}: {error}.", param=column.name, code="invalid_value") from error


def _read_list(text: str) -> list[str]:
    return [trim(refuse_failed_formula(item)) for item in text.split(LIST_SEPARATOR)]


def _read_ids(text: str) -> list[str]:
    return [read_whole_number(item) for item in _read_list(text)]


def _read_option(text: str) -> object:
    """Read a cell as JSON, or as text if it is not JSON."""
    # A sheet turns a typed true into TRUE.
    if text in {"TRUE", "FALSE"}:
        return text == "TRUE"
    try:
        value = parse_json(text)
    except RepeatedNameError:
        raise
    except ValueError:
        return text
    # Python accepts NaN and Infinity as numbers, JSON does not.
    return text if isinstance(value, float) and not math.isfinite(value) else value


def _rename(refusal: InvalidRequest, targets: list[str]) -> InvalidRequest:
    """In an error, name a target as its columns do."""
    for index, target in enumerate(targets):
        place = f"publish[{index}]"
        if refusal.param is not None and refusal.param.startswith(place):
            param = refusal.param.replace(place, target, 1)
            return InvalidRequest(refusal.message.replace(place, target, 1), param=param, code=refusal.code)
    return refusal
