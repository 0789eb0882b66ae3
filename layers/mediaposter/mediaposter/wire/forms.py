"""Multipart forms: text, files, and nested values under bracketed names.

The openai SDK sends every body of `/videos` except a remix as a form. It writes nested values of `extra_body` as
`metadata[campaign]=kites`, `fallback_models[]=a`, and `publish[][platform]=twitter`: without numbers, and grouped by
name rather than by target. An ambiguous form is refused, since a wrong guess would be a wrong post.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeAlias, Union

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser

from mediaposter.domain.errors import InvalidRequest

FIELDS_MAX = 1_000
BRACKETS_MAX = 6

FormValue: TypeAlias = Union[str, "list[FormValue]", "dict[str, FormValue]"]

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_BRACKETED = re.compile(r"\[([^\[\]]*)\]")
# A browser escapes the characters that would end a name like this (fetch.spec.whatwg.org, multipart/form-data).
_ESCAPED = re.compile(r"%(0A|0D|22)")
# JavaScript that reads a record would let these names change its objects (prototype pollution).
_NO_KEYS = frozenset({"__proto__", "constructor", "prototype"})


class Form(NamedTuple):
    """A parsed form: its fields, nested as their names say, and its files."""

    fields: dict[str, FormValue]
    files: dict[str, bytes]


class _Entry(NamedTuple):
    """A text, and the keys that lead to it below its root name; an empty key is `[]`."""

    keys: tuple[str, ...]
    text: str


def parse_form(body: bytes, boundary: bytes, *, objects: Collection[str], row_keys: Mapping[str, str]) -> Form:
    """Read a multipart form.

    Args:
        body: the form.
        boundary: the boundary in its content type.
        objects: the fields whose keys are names even if they look like numbers.
        row_keys: the fields that are lists of objects, with the key that each of the objects has.

    Raises:
        InvalidRequest: it is malformed or ambiguous; names the field.
    """
    texts, files = _read_parts(body, boundary)
    entries: dict[str, list[_Entry]] = {}
    for name, text in texts:
        root, keys = _split_name(name)
        entries.setdefault(root, []).append(_Entry(keys, text))
    fields: dict[str, FormValue] = {}
    for root, found in entries.items():
        numbered = _number_rows(root, found, row_keys[root]) if root in row_keys else found
        fields[root] = _nest(root, numbered, is_object=root in objects)
    return Form(fields, files)


def _read_parts(body: bytes, boundary: bytes) -> tuple[list[tuple[str, str]], dict[str, bytes]]:
    texts: list[tuple[str, str]] = []
    files: dict[str, bytes] = {}
    is_whole = False

    def check_count(name: str) -> None:
        if len(texts) + len(files) >= FIELDS_MAX:
            raise _unreadable(
                name, f"it is one field too many: a form has at most {FIELDS_MAX}", code="too_many_fields"
            )

    def take_field(field: Field) -> None:
        name = _decode_name(field.field_name)
        check_count(name)
        texts.append((name, _decode(field.value or b"", name=name)))

    def take_file(file: File) -> None:
        name = _decode_name(file.field_name)
        check_count(name)
        if name in files:
            raise _unreadable(name, "the form has this file twice", code="duplicate_field")
        file.file_object.seek(0)
        files[name] = file.file_object.read()

    def take_end() -> None:
        nonlocal is_whole
        is_whole = True

    try:
        parser = FormParser(
            "multipart/form-data",
            take_field,
            take_file,
            take_end,
            boundary=boundary,
            config={"MAX_MEMORY_FILE_SIZE": len(body)},  # the body fits into memory, so nothing is written to disk
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise InvalidRequest(
            f"The multipart body is malformed: {str(error)[:200]}.", code="invalid_multipart"
        ) from error
    if not is_whole:
        # The missing part may be `publish`, so an incomplete form is refused.
        raise InvalidRequest("The multipart body ends before its closing boundary.", code="invalid_multipart")
    if not texts and not files:
        raise InvalidRequest("The multipart body has no fields.", code="invalid_multipart")
    return texts, files


def _decode_name(name: bytes | None) -> str:
    return _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), _decode(name or b""))


def _decode(value: bytes, *, name: str | None = None) -> str:
    """Decode a text of the form, or a field name."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1} of it is 0x{value[error.start]:02X}, as in Latin-1 or Windows-1252"
        if name is None:
            raise InvalidRequest(
                f"The form is not UTF-8: in the name of a field {where}. Send it as UTF-8.", code="invalid_multipart"
            ) from error
        raise _unreadable(name, f"is not UTF-8: {where}. Send the form as UTF-8", code="invalid_multipart") from error


def _split_name(name: str) -> tuple[str, tuple[str, ...]]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise _unreadable(name, "this is not the name of a field; write nested fields as publish[0][platform]")
    keys = tuple(_BRACKETED.findall(match[2]))
    if len(keys) > BRACKETS_MAX:
        raise _unreadable(name, f"it is nested more than {BRACKETS_MAX} levels deep; send {match[1][:80]} as JSON text")
    for key in keys:
        if key in _NO_KEYS:
            raise _unreadable(name, f"a key may not be called {key}")
    return match[1], keys


def _number_rows(root: str, entries: list[_Entry], row_key: str) -> list[_Entry]:
    """Number the objects that came as `root[][key]` without numbers.

    The values can be assigned to objects only if all objects have the same keys. The key that every object has gives
    their number.
    """
    has_rows = any(len(keys) > 1 for keys, _ in entries) and all(keys[:1] == ("",) for keys, _ in entries)
    if not has_rows:
        return entries
    columns: dict[tuple[str, ...], list[str]] = {}
    for keys, text in entries:
        columns.setdefault(keys[1:], []).append(text)
    rows = len(columns.get((row_key,), ()))
    if rows <= 1:
        return [_Entry(("0", *keys[1:]), text) for keys, text in entries]
    for column, texts in columns.items():
        if len(column) != 1 or len(texts) != rows:
            name = f"{root}[]" + "".join(f"[{key}]" for key in column)
            raise _unreadable(
                name,
                f"it comes {len(texts)} times for {rows} of {root}, and a form does not tell to which it belongs. Send "
                f"{root} as JSON text, or numbered: {root}[0][{row_key}]",
                code="ambiguous_field",
            )
    return [_Entry((str(row), *column), text) for column, texts in columns.items() for row, text in enumerate(texts)]


def _nest(name: str, entries: list[_Entry], *, is_object: bool = False) -> FormValue:
    """Build the value of a name: a text, a list or an object."""
    if any(not keys for keys, _ in entries):
        if len(entries) > 1:
            raise _repeated(name, are_alike=all(not keys for keys, _ in entries))
        return entries[0].text
    groups: dict[str, list[_Entry]] = {}
    for keys, text in entries:
        groups.setdefault(keys[0], []).append(_Entry(keys[1:], text))
    if "" in groups:
        if len(groups) > 1:
            raise _repeated(name, are_alike=False)
        if any(keys for keys, _ in groups[""]):
            raise _unreadable(
                f"{name}[]",
                "only a text can follow, for a form does not tell what belongs together. Send the whole field as JSON "
                f"text, or numbered: {name[:80]}[0]",
                code="ambiguous_field",
            )
        return [text for _, text in groups[""]]
    values = {key: _nest(f"{name}[{key}]", found) for key, found in groups.items()}
    numbers = {key for key in values if key.isascii() and key.isdigit()}
    if is_object or not numbers:
        return values
    if len(numbers) < len(values):
        raise _repeated(name, are_alike=False)
    if numbers != {str(number) for number in range(len(values))}:
        raise _unreadable(name, "its numbers must be 0, 1, 2 and so on, without a gap")
    return [values[str(number)] for number in range(len(values))]


def _repeated(name: str, *, are_alike: bool) -> InvalidRequest:
    if are_alike:
        return _unreadable(name, "the form has this field twice", code="duplicate_field")
    return _unreadable(name, "the form writes this field in two different ways", code="mixed_field")


def _unreadable(name: str, reason: str, *, code: str = "invalid_field") -> InvalidRequest:
    # A name comes from the caller, and may be as long as a header.
    return InvalidRequest(f"{name[:80]}: {reason}.", param=name[:80], code=code)
