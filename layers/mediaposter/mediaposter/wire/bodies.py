"""Read a request body, multipart or JSON, into fields and files, and validate the fields."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from python_multipart.multipart import parse_options_header

from mediaposter.domain.errors import InvalidRequest
from mediaposter.wire.body_errors import cut_name, explain_refusal
from mediaposter.wire.body_fields import TARGETS
from mediaposter.wire.forms import FormValue, parse_form
from mediaposter.wire.json_text import InvalidJsonError, RepeatedNameError, parse_json


def refuse_files(files: dict[str, bytes]) -> None:
    """Refuse the files of a form that takes no (more) files.

    Raises:
        InvalidRequest: names the file.
    """
    for name in files:
        raise InvalidRequest(f"This route takes no file in {name[:80]!r}.", param=name[:80], code="unsupported_file")


AnyRequest = TypeVar("AnyRequest", bound=BaseModel)


def validate_fields(model: type[AnyRequest], fields: dict[str, Any]) -> AnyRequest:
    """Read the fields of a body.

    Raises:
        InvalidRequest: names the field and the rule.
    """
    try:
        return model.model_validate(fields, by_alias=True, by_name=False)
    except ValidationError as error:
        raise explain_refusal(error, fields) from error


class Body(NamedTuple):
    """The fields of a body, and the files of a form."""

    fields: dict[str, Any]
    files: dict[str, bytes]


def parse_body(body: bytes, content_type: str, *, allow_form: bool = True) -> Body:
    """Read a body that is JSON or a form, or JSON alone.

    Raises:
        InvalidRequest: it is neither, or is ambiguous.
    """
    media_type_bytes, options = parse_options_header(content_type.encode("latin-1", "replace"))
    media_type = media_type_bytes.decode("latin-1")
    if media_type == "application/json":
        return Body(parse_json_object(body), {})
    if media_type == "multipart/form-data" and allow_form:
        boundary = options.get(b"boundary")
        if not boundary:
            raise InvalidRequest("The multipart content type names no boundary.", code="invalid_multipart")
        form = parse_form(body, boundary, objects=("metadata", "provider_options"), row_keys={"publish": "platform"})
        return Body({name: _read_form_value(name, value) for name, value in form.fields.items()}, form.files)
    understood = "multipart/form-data or application/json" if allow_form else "application/json"
    raise InvalidRequest(
        f"The content type {media_type[:80]!r} is not understood; send {understood}.",
        code="unsupported_content_type",
    )


def parse_json_object(text: bytes | str, *, name: str = "The body") -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        text: the JSON.
        name: its name in error messages, at the beginning of a sentence.

    Raises:
        InvalidRequest: it is not a JSON object, or has a duplicate name.
    """
    try:
        fields = parse_json(text, is_line=name == _LINE)
    except RepeatedNameError as error:
        raise InvalidRequest(f"{name} {error}.", param=error.name, code="duplicate_field") from error
    except InvalidJsonError as error:
        param = cut_name(error.param) if error.param else None
        raise InvalidRequest(f"{name} {error}.", param=param, code="invalid_json") from error
    if not isinstance(fields, dict):
        raise InvalidRequest(f"{name} must be a JSON object.", code="invalid_json")
    return fields


# In a file with one request a line, a request has this name; its error also has the line number.
_LINE = "The row"

# A nested form has only text. The field decides how to read it: a target has flags and texts, and a vendor's options
# may be anything.
_FLAGS = frozenset(
    name for target in TARGETS for name, field in target.model_fields.items() if field.annotation in {bool, bool | None}
)
_FLAG_TEXTS = {"true": True, "false": False}
# Python writes 0.0001 and larger numbers without an exponent: three zeros, and 17 digits at most.
_SCALAR = re.compile(r"true|false|-?[0-9]{1,17}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?")


def _read_form_value(name: str, value: FormValue) -> object:
    if name == "publish" and isinstance(value, list):
        return [_read_target(target) for target in value]
    if name == "provider_options" and isinstance(value, dict):
        return _read_option(value)
    return value


def _read_target(target: FormValue) -> object:
    if not isinstance(target, dict):
        return target
    return {
        name: _FLAG_TEXTS.get(value, value) if name in _FLAGS and isinstance(value, str) else value
        for name, value in target.items()
    }


def _read_option(value: FormValue) -> JsonValue:
    """Read a number or a boolean if the text is exactly its JSON; "007" and "3.10" stay text."""
    if isinstance(value, dict):
        return {name: _read_option(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_read_option(inner) for inner in value]
    if not _SCALAR.fullmatch(value):
        return value
    try:
        scalar: JsonValue = json.loads(value)
    except ValueError:
        return value
    return scalar if json.dumps(scalar) == value else value
