"""The columns of a CSV of requests: which there are, and what their cells say.

A column is named as the field is: `prompt`, `metadata.campaign`, `publish.instagram.account_id`, and for a second
account of that network `publish.instagram.2.account_id`. An empty cell is a field that is not given; a target none of
whose cells says anything is not one of that row.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, NamedTuple, get_args, get_origin

from mediaposter.api.json_text import RepeatedNameError, parse_json
from mediaposter.api.records import Record
from mediaposter.api.requests import TARGETS, CreateVideoRequest, validate_fields
from mediaposter.errors import InvalidRequest
from mediaposter.publishing.targets import TARGETS_MAX

ROW_ID = "id"
LIST_SEPARATOR = "|"

_KEY_MAX_CHARACTERS = 64
_NESTED = ("publish", "metadata", "provider_options")
_PLACES = "publish.<network>.<field>, metadata.<name>, provider_options.<name>"
_NUMBER = re.compile(r"[0-9]{1,3}")
_NETWORKS = MappingProxyType({get_args(model.model_fields["platform"].annotation)[0]: model for model in TARGETS})

_ReadCell = Callable[[str], object]


class HeaderError(InvalidRequest):
    """The header of a CSV names a column that there is not, or not the ones that there must be: no row was read."""


class _Column(NamedTuple):
    """A column: the object its cells belong to ("" is the request itself), the field there, and what a cell means."""

    name: str
    parent: str
    field: str
    read: _ReadCell


class Columns:
    """The columns of a file, in their order."""

    def __init__(self, columns: tuple[_Column, ...]) -> None:
        self._columns = columns

    @classmethod
    def read(cls, header: Record) -> Columns:
        """Read the header of a file.

        Raises:
            HeaderError: naming the first column that is wrong, and which there are.
        """
        try:
            names = _split_cells(header.decode(name="The header"), name="The header")
        except InvalidRequest as error:
            raise HeaderError(error.message, code=error.code) from error
        if len(names) == 1 and (separator := re.search("[;\t]", names[0])):
            kind = "semicolons" if separator[0] == ";" else "tabs"
            raise HeaderError(
                f"The header has {kind} between its columns. Save the file with commas.", code="invalid_csv"
            )
        columns: dict[str, _Column] = {}
        for position, name in enumerate(names, start=1):
            if not name:
                raise HeaderError(f"Column {position} of the header has no name.", code="missing_name")
            if name in columns:
                first = list(columns).index(name) + 1
                raise _refuse(name, f"the header has it twice, as columns {first} and {position}", "duplicate_field")
            columns[name] = _find_column(name)
        _require_columns(columns)
        return cls(tuple(columns.values()))

    def parse(self, text: str) -> dict[str, Any] | None:
        """Give the cells of a row that say something, by their columns; of a blank row, nothing.

        Raises:
            InvalidRequest: the row is not valid CSV, or has another number of cells than the header.
        """
        cells = _split_cells(text, name="The row")
        if not any(map(str.strip, cells)):
            return None
        if len(cells) != len(self._columns):
            raise InvalidRequest(
                f"The row has {len(cells)} cells, and the header has {len(self._columns)} columns. A cell with a comma "
                "in it is written in quotes.",
                code="invalid_csv",
            )
        return {column.name: cell for column, cell in zip(self._columns, cells, strict=True) if cell}

    def validate(self, cells: Mapping[str, str]) -> CreateVideoRequest:
        """Read the cells of a row as a request.

        Raises:
            InvalidRequest: naming the column and the rule.
        """
        objects: dict[str, dict[str, Any]] = {}
        for column in self._columns:
            if column.name in cells:
                objects.setdefault(column.parent, {})[column.field] = _read_cell(column, cells[column.name])
        targets = [parent for parent in objects if parent.startswith("publish.")]
        fields = objects.pop("", {})
        if targets:
            fields["publish"] = [{"platform": name.split(".")[1], **objects.pop(name)} for name in targets]
        try:
            return validate_fields(CreateVideoRequest, {**fields, **objects})
        except InvalidRequest as refusal:
            raise _rename(refusal, targets) from refusal


def _split_cells(text: str, *, name: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        lines = len(re.findall(r"\r\n?|\n", text)) + 1
        span = f" A quote in it made {lines} lines one row." if lines > 1 else ""
        raise InvalidRequest(f"{name} is not valid CSV: {error}.{span}", code="invalid_csv") from error


def _find_column(name: str) -> _Column:
    """Tell what a column is.

    Raises:
        HeaderError: nothing of this name can be asked for.
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
        raise _refuse(name, _list_known("no column is called that", name, known, others=_PLACES))
    return _Column(name, "", name, _choose_reader(fields[name].annotation))


def _find_target_column(name: str, rest: str) -> _Column:
    """Tell which field of which target a column is; it is named `publish.<network>[.<number>].<field>`."""
    platform, _, field = rest.partition(".")
    model = _NETWORKS.get(platform)
    if model is None:
        raise _refuse(name, _list_known("no network is called that", platform, _NETWORKS))
    parent = f"publish.{platform}"
    number, _, numbered_field = field.partition(".")
    if _NUMBER.fullmatch(number):
        if number.startswith("0") or not 2 <= int(number) <= TARGETS_MAX:
            raise _refuse(name, f"the first account of a network has no number, further ones 2 to {TARGETS_MAX}")
        parent, field = f"{parent}.{number}", numbered_field
    known = model.model_fields.keys() - {"platform"}
    if field not in known:
        raise _refuse(name, _list_known(f"{platform} has no such field", field, sorted(known)))
    return _Column(name, parent, field, _choose_reader(model.model_fields[field].annotation))


def _list_known(sentence: str, name: str, known: Collection[str], *, others: str = "") -> str:
    """Say what could have been meant; the name is a caller's word, and may be as long as a row."""
    matches = get_close_matches(name[:80].strip().lower(), known, n=1)
    guess = f"; did you mean {matches[0]!r}?" if matches else "."
    return f"{sentence}{guess} There are {', '.join([*known, *filter(None, [others])])}"


def _require_columns(columns: Mapping[str, _Column]) -> None:
    if "prompt" not in columns:
        raise _refuse("prompt", "the header must have this column", "missing_required_parameter")
    for column in columns.values():
        account = f"{column.parent}.account_id"
        if column.parent.startswith("publish.") and account not in columns:
            reason = f"the header must have this column, as it has {column.name}"
            raise _refuse(account, reason, "missing_required_parameter")


def _refuse(name: str, reason: str, code: str = "unknown_parameter") -> HeaderError:
    return HeaderError(f"{name[:80]}: {reason}.", param=name[:80], code=code)


def _choose_reader(annotation: object) -> _ReadCell:
    kinds = (annotation, *get_args(annotation))
    if bool in kinds:
        return _read_flag
    if any(get_origin(kind) is list for kind in kinds):
        return _read_list
    return str


def _read_cell(column: _Column, text: str) -> object:
    try:
        return column.read(text)
    except ValueError as error:
        raise InvalidRequest(f"{column.name}: {error}.", param=column.name, code="invalid_value") from error


def _read_flag(text: str) -> bool:
    # Spreadsheets write them in capitals.
    if text.lower() not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _read_list(text: str) -> list[str]:
    return [item.strip() for item in text.split(LIST_SEPARATOR)]


def _read_option(text: str) -> object:
    """Read JSON, and as text whatever is none."""
    try:
        value = parse_json(text)
    except RepeatedNameError:
        raise
    except ValueError:
        return text
    # Python takes NaN and Infinity for numbers, JSON does not.
    return text if isinstance(value, float) and not math.isfinite(value) else value


def _rename(refusal: InvalidRequest, targets: list[str]) -> InvalidRequest:
    """Name a target in a refusal as its columns are named."""
    for index, target in enumerate(targets):
        place = f"publish[{index}]"
        if refusal.param is not None and refusal.param.startswith(place):
            param = refusal.param.replace(place, target, 1)
            return InvalidRequest(refusal.message.replace(place, target, 1), param=param, code=refusal.code)
    return refusal
