"""The bodies callers send, as multipart or JSON, and what is refused in them."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
)
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import File, FormParser, parse_options_header

from mediaposter.ai.catalog import PROMPT_MAX_CHARACTERS
from mediaposter.errors import InvalidRequest
from mediaposter.publishing.targets import TARGETS_MAX, AnyTarget

FALLBACK_MODELS_MAX = 4  # the state machine's bound on how often another model takes over
PROVIDER_OPTIONS_MAX = 32
METADATA_PAIRS_MAX = 16  # as in OpenAI's other resources


def _parse_seconds(value: object) -> object:
    # The SDK sends "8"; people write 8. To Python True is a number, to a caller it is not.
    if isinstance(value, bool):
        raise ValueError("must be a number of seconds")  # noqa: TRY004 (Pydantic takes a ValueError for a refusal)
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _parse_json_text(value: object) -> object:
    # A multipart form has only text: nested fields come as JSON in it.
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError("not valid JSON") from error


def _refuse_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    if "\0" in value:
        raise ValueError("must not have null characters")
    return value


def _refuse_repeated_accounts(targets: list[AnyTarget]) -> list[AnyTarget]:
    post_ids = [target.post_id for target in targets]
    for post_id in post_ids:
        if post_ids.count(post_id) > 1:
            raise ValueError(f"{post_id.replace('#', ' account ')} is named twice; an account takes a video once")
    return targets


MetadataText = Annotated[str, StringConstraints(max_length=512)]


class CreateVideoRequest(BaseModel):
    """POST /videos: OpenAI's fields, and ours."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    prompt: Annotated[str, Field(min_length=1, max_length=PROMPT_MAX_CHARACTERS), AfterValidator(_refuse_blank)]
    model: Annotated[str, Field(min_length=1, max_length=128)] = "sora-2"
    seconds: Annotated[int, BeforeValidator(_parse_seconds)] = 4
    # Whether a model makes that size is the catalog's to say, with the sizes it does make.
    size: Annotated[str, Field(max_length=32)] = "720x1280"
    metadata: Annotated[
        dict[Annotated[str, StringConstraints(min_length=1, max_length=64)], MetadataText],
        Field(max_length=METADATA_PAIRS_MAX),
        BeforeValidator(_parse_json_text),
    ] = {}
    # Left out, the stack's own chain holds; an empty one means none.
    fallback_models: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=128)]] | None,
        Field(max_length=FALLBACK_MODELS_MAX),
        BeforeValidator(_parse_json_text),
    ] = None
    resubmit: bool = False
    provider_options: Annotated[
        dict[Annotated[str, StringConstraints(min_length=1, max_length=64)], JsonValue],
        Field(max_length=PROVIDER_OPTIONS_MAX),
        BeforeValidator(_parse_json_text),
    ] = {}
    publish: Annotated[
        list[AnyTarget],
        Field(max_length=TARGETS_MAX),
        AfterValidator(_refuse_repeated_accounts),
        BeforeValidator(_parse_json_text),
    ] = []


def parse_create_video(body: bytes, content_type: str) -> CreateVideoRequest:
    """Read the body of POST /videos.

    Raises:
        InvalidRequest: naming the field, the rule and what was sent.
    """
    fields = _parse_fields(body, content_type)
    try:
        return CreateVideoRequest.model_validate(fields)
    except ValidationError as error:
        raise _explain(error) from error


def _parse_fields(body: bytes, content_type: str) -> dict[str, Any]:
    media_type_bytes, options = parse_options_header(content_type.encode("latin-1", "replace"))
    media_type = media_type_bytes.decode("latin-1")
    if media_type == "application/json":
        return _parse_json_body(body)
    if media_type == "multipart/form-data":
        boundary = options.get(b"boundary")
        if not boundary:
            raise InvalidRequest("The multipart content type names no boundary.", code="invalid_multipart")
        return _parse_form(body, media_type, boundary)
    raise InvalidRequest(
        f"The content type {media_type[:80]!r} is not understood; send multipart/form-data or application/json.",
        code="unsupported_content_type",
    )


def _parse_json_body(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not valid JSON.", code="invalid_json") from error
    if not isinstance(fields, dict):
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    return fields


def _parse_form(body: bytes, media_type: str, boundary: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    is_whole = False

    def take_field(field: Any) -> None:
        name = _decode(field.field_name)
        if name in fields:
            raise InvalidRequest(
                f"The form has the field {name[:80]!r} twice.", param=name[:80], code="duplicate_field"
            )
        fields[name] = _decode(field.value or b"")

    def take_file(file: File) -> None:
        name = _decode(file.field_name or b"")
        raise InvalidRequest(f"A file in {name[:80]!r} is not taken here.", param=name[:80], code="unsupported_file")

    def take_end() -> None:
        nonlocal is_whole
        is_whole = True

    try:
        parser = FormParser(media_type, take_field, take_file, take_end, boundary=boundary)
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise InvalidRequest(f"The multipart body is malformed: {error}.", code="invalid_multipart") from error
    if not is_whole:
        # What is missing may be `publish`: a part of a request is not a request.
        raise InvalidRequest("The multipart body ends before its closing boundary.", code="invalid_multipart")
    if not fields:
        raise InvalidRequest("The multipart body has no fields.", code="invalid_multipart")
    return fields


def _decode(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The form is not UTF-8.", code="invalid_multipart") from error


def _explain(error: ValidationError) -> InvalidRequest:
    """Turn the first problem into one sentence; the value itself is not repeated, it may be a prompt."""
    problem = error.errors(include_input=False, include_url=False)[0]
    # A name and a platform are the caller's words, and may be as long as the body.
    param = _name_field(problem["loc"])[:80]
    reason = str(problem["msg"]).removeprefix("Value error, ")[:400]
    codes = {"missing": "missing_required_parameter", "extra_forbidden": "unknown_parameter"}
    code = codes.get(problem["type"], "invalid_value")
    return InvalidRequest(f"{param}: {reason}.", param=param, code=code)


def _name_field(location: tuple[int | str, ...]) -> str:
    """Write a location as callers do, `publish[0].page_id`, without the union's tag and the mark of a key."""
    name = ""
    previous: int | str = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part != "[key]" and not (isinstance(previous, int) and location[0] == "publish"):
            name += f".{part}" if name else part
        previous = part
    return name
