"""Parse and validate request bodies, multipart or JSON."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from python_multipart.multipart import parse_options_header

from mediaposter.ai.catalog import PROMPT_MAX_CHARACTERS
from mediaposter.config import FALLBACK_MODELS_MAX
from mediaposter.domain.errors import InvalidRequest, NotFound
from mediaposter.domain.text import Path, UnwritableTextError, refuse_unwritable_within, write_path
from mediaposter.domain.validation_errors import find_problem, tell_rule
from mediaposter.publishing.targets import (
    ACCOUNT_ID,
    TARGETS_MAX,
    TEXT_MAX_CHARACTERS,
    AnyTarget,
    Delivery,
    PublishTarget,
    Text,
)
from mediaposter.wire.forms import FormValue, parse_form
from mediaposter.wire.json_text import InvalidJsonError, RepeatedNameError, parse_json
from mediaposter.wire.pictures import HttpsUrl, InputReference, read_input_reference

PROVIDER_OPTIONS_MAX = 32
PROVIDER_OPTIONS_DEPTH_MAX = 16  # a vendor's body is flatter
PROVIDER_OPTIONS_MAX_BYTES = 64 * 1024  # as JSON, which is how the record stores them: DynamoDB takes 400 KB in all
TITLE_MAX_CHARACTERS = 100
STAGGER_MAX_MINUTES = 24 * 60
APPROVAL_MAX_HOURS = 7 * 24
METADATA_PAIRS_MAX = 16  # as in OpenAI's other resources
SECONDS_MAX = 24 * 60 * 60  # the catalog has each model's limits; no clip is longer than a day
EXTENSION_MAX_SECONDS = 60  # OpenAI's maximum is 20; the catalog has each model's limits
# The SDK's types require a file, so a placeholder may come with the video's id. No MP4 is as short.
VIDEO_STAND_IN_MAX_BYTES = 1_024

_VIDEO_ID = r"^[A-Za-z0-9_-]{1,128}$"
_DIGITS = re.compile(r"[0-9]{1,18}")


TARGETS: tuple[type[PublishTarget], ...] = get_args(get_args(AnyTarget)[0])
_TARGET_FIELDS = frozenset(name for target in TARGETS for name in target.model_fields)


def _parse_number(value: object) -> object:
    # The SDK sends "8"; people write 8. True is a number in Python, but not for callers.
    if isinstance(value, bool):
        raise ValueError("must be a whole number")  # noqa: TRY004 (Pydantic takes a ValueError for a refusal)
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def _parse_json_text(value: object) -> object:
    # A multipart form has only text, so nested fields may be JSON text.
    if not isinstance(value, str):
        return value
    parsed = parse_json(value)
    refuse_unwritable_within(parsed)
    return parsed


def _parse_object(value: object) -> object:
    parsed = _parse_json_text(value)
    return {} if parsed is None else parsed


def _parse_targets(value: object) -> object:
    parsed = _parse_json_text(value)
    targets = [] if parsed is None else parsed
    return list(map(_leave_out_null, targets)) if isinstance(targets, list) else targets


def _leave_out_null(target: object) -> object:
    """Treat null as not sent; an unknown name is kept, so that validation refuses it."""
    if not isinstance(target, dict):
        return target
    return {name: field for name, field in target.items() if field is not None or name not in _TARGET_FIELDS}


def _refuse_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _refuse_repeated_accounts(targets: list[AnyTarget]) -> list[AnyTarget]:
    post_ids = [target.post_id for target in targets]
    for post_id in post_ids:
        if post_ids.count(post_id) > 1:
            raise ValueError(f"{post_id.replace('#', ' account ')} is named twice; an account takes a video once")
    return targets


def _check_options(options: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Refuse options that are nested too deeply, are not JSON, or are too large for the record."""
    if _measure_depth(options) > PROVIDER_OPTIONS_DEPTH_MAX:
        raise ValueError(f"may be nested {PROVIDER_OPTIONS_DEPTH_MAX} levels deep at most")
    try:
        size_bytes = len(json.dumps(options, allow_nan=False))
    except ValueError as error:
        raise ValueError("must have finite numbers") from error
    if size_bytes > PROVIDER_OPTIONS_MAX_BYTES:
        raise ValueError(f"must have at most {PROVIDER_OPTIONS_MAX_BYTES} bytes, written as JSON, got {size_bytes}")
    return options


def _measure_depth(value: JsonValue) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_measure_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_measure_depth, value), default=0)
    return 0


def _parse_reference(value: object) -> object:
    value = _parse_object_text(value)
    if isinstance(value, dict):
        value = {name: field for name, field in value.items() if field is not None}
    return None if value is None else read_input_reference(value)


def _parse_video(value: object) -> object:
    value = _parse_object_text(value)
    if not isinstance(value, dict):
        return value
    if value.keys() != {"id"}:
        raise ValueError('must be the id of a video of this library, or {"id": …} with it and nothing else')
    return value["id"]


def _parse_object_text(value: object) -> object:
    return _parse_json_text(value) if isinstance(value, str) and value.startswith("{") else value


MetadataText = Annotated[str, StringConstraints(max_length=512)]
VideoId = Annotated[str, StringConstraints(pattern=_VIDEO_ID)]


class RequestBody(BaseModel):
    """A request body, by HTTP, file or event: text must be encodable, and null means not sent."""

    # Errors do not repeat the value: it may be a prompt.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_by_name=True, validate_by_alias=True
    )

    # Fields whose texts are checked later, one by one.
    unchecked_fields: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _read(cls, fields: object) -> object:
        if not isinstance(fields, dict):
            return fields
        refuse_unwritable_within({name: field for name, field in fields.items() if name not in cls.unchecked_fields})
        known = {str(field.validation_alias or name) for name, field in cls.model_fields.items()}
        return {name: field for name, field in fields.items() if field is not None or name not in known}


class PostsRequest(RequestBody):
    """The fields of every request that may make posts: targets, texts and times.

    `text` is the caption of targets without their own. Posts without their own time go out `stagger_minutes` apart.
    """

    publish: Annotated[
        list[AnyTarget],
        Field(max_length=TARGETS_MAX),
        AfterValidator(_refuse_repeated_accounts),
        BeforeValidator(_parse_targets),
    ] = []
    text: Annotated[Text, Field(max_length=TEXT_MAX_CHARACTERS)] | None = None
    title: Annotated[str, Field(max_length=TITLE_MAX_CHARACTERS), AfterValidator(_refuse_blank)] | None = None
    stagger_minutes: Annotated[int, Field(ge=0, le=STAGGER_MAX_MINUTES), BeforeValidator(_parse_number)] = 0
    delivery: Delivery = "direct"

    # The last two belong to a request that also makes the video.
    @field_validator("stagger_minutes", "delivery", "approval", "approval_hours", mode="after", check_fields=False)
    @classmethod
    def _require_targets(cls, value: int | str, info: ValidationInfo) -> int | str:
        is_default = value == cls.model_fields[str(info.field_name)].default
        # An invalid publish is missing here, and was reported already.
        if not is_default and info.data.get("publish") == []:
            raise ValueError("needs publish: without targets there are no posts that it could be about")
        return value


class PublishRequest(PostsRequest):
    """The posts of a request that makes a video; `approval_hours` is how long they wait for a person."""

    approval: Literal["none", "required"] = "none"
    approval_hours: Annotated[int, Field(ge=1, le=APPROVAL_MAX_HOURS), BeforeValidator(_parse_number)] = 24

    @field_validator("approval_hours", mode="after")
    @classmethod
    def _require_approval(cls, hours: int, info: ValidationInfo) -> int:
        if hours != cls.model_fields["approval_hours"].default and info.data.get("approval") == "none":
            raise ValueError('needs approval to be "required"')
        return hours


class _VideoRequest(PublishRequest):
    """The fields of every request for a video."""

    prompt: Annotated[str, Field(min_length=1, max_length=PROMPT_MAX_CHARACTERS), AfterValidator(_refuse_blank)]
    metadata: Annotated[
        dict[Annotated[str, StringConstraints(min_length=1, max_length=64)], MetadataText],
        Field(max_length=METADATA_PAIRS_MAX),
        BeforeValidator(_parse_object),
    ] = {}
    webhook_url: HttpsUrl | None = None

    def fingerprint(self) -> str:
        """Return a hash that is equal for equal requests, however they were sent.

        A field with its default counts as not sent, so that a new field changes no fingerprint. A picture counts by its
        hash.
        """
        content = self.model_dump(mode="json", exclude_defaults=True)
        canonical = json.dumps([type(self).__name__, content], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


class CreateVideoRequest(_VideoRequest):
    """POST /videos: OpenAI's fields, and ours."""

    model: Annotated[str, Field(min_length=1, max_length=128)] = "sora-2"
    seconds: Annotated[int, Field(le=SECONDS_MAX), BeforeValidator(_parse_number)] = 4
    # The catalog refuses a size that the model does not make, and its error lists the valid sizes.
    size: Annotated[str, Field(max_length=32)] = "720x1280"
    input_reference: Annotated[InputReference | None, BeforeValidator(_parse_reference)] = None
    # If omitted, the stack's fallback models apply; an empty list means none.
    fallback_models: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=128)]] | None,
        Field(max_length=FALLBACK_MODELS_MAX),
        BeforeValidator(_parse_json_text),
    ] = None
    resubmit: bool = False
    provider_options: Annotated[
        dict[Annotated[str, StringConstraints(min_length=1, max_length=64)], JsonValue],
        Field(max_length=PROVIDER_OPTIONS_MAX),
        AfterValidator(_check_options),
        BeforeValidator(_parse_object),
    ] = {}


class DeriveVideoRequest(_VideoRequest):
    """A request to make a video from a stored one."""

    video_id: Annotated[VideoId, BeforeValidator(_parse_video)] = Field(validation_alias="video")


class RemixVideoRequest(DeriveVideoRequest):
    """POST /videos/{id}/remix: the same once more, by another prompt."""


class EditVideoRequest(DeriveVideoRequest):
    """POST /videos/edits: the same, but for what the prompt changes."""


class ExtendVideoRequest(DeriveVideoRequest):
    """POST /videos/extensions: what comes after it; `seconds` are those to be added."""

    seconds: Annotated[int, Field(ge=1, le=EXTENSION_MAX_SECONDS), BeforeValidator(_parse_number)]


def parse_create_video(body: bytes, content_type: str) -> CreateVideoRequest:
    """Read the body of POST /videos.

    Raises:
        InvalidRequest: names the field, the rule and what was sent.
    """
    fields, files = parse_body(body, content_type)
    picture = files.pop("input_reference", None)
    refuse_files(files)
    if picture is not None:
        if "input_reference" in fields:
            raise InvalidRequest(
                "input_reference: the request has it as a file and as a field; send one of them.",
                param="input_reference",
                code="mixed_field",
            )
        fields["input_reference"] = picture
    return validate_fields(CreateVideoRequest, fields)


def parse_remix_video(body: bytes, content_type: str, *, video_id: str) -> RemixVideoRequest:
    """Read the body of POST /videos/{video_id}/remix.

    Raises:
        InvalidRequest: names the field, the rule and what was sent.
        NotFound: no video can have this id.
    """
    fields, files = parse_body(body, content_type)
    refuse_files(files)
    if "video" in fields:
        raise InvalidRequest("video: a remix names its video in the path.", param="video", code="unknown_parameter")
    return validate_fields(RemixVideoRequest, {**fields, "video": check_video_id(video_id)})


def parse_edit_video(body: bytes, content_type: str) -> EditVideoRequest:
    """Read the body of POST /videos/edits.

    Raises:
        InvalidRequest: names the field, the rule and what was sent.
    """
    return validate_fields(EditVideoRequest, _parse_derivation(body, content_type, verb="Editing"))


def parse_extend_video(body: bytes, content_type: str) -> ExtendVideoRequest:
    """Read the body of POST /videos/extensions.

    Raises:
        InvalidRequest: names the field, the rule and what was sent.
    """
    return validate_fields(ExtendVideoRequest, _parse_derivation(body, content_type, verb="Extending"))


def _parse_derivation(body: bytes, content_type: str, *, verb: str) -> dict[str, Any]:
    fields, files = parse_body(body, content_type)
    file = files.pop("video", None)
    refuse_files(files)
    is_stand_in = "video" in fields and file is not None and len(file) <= VIDEO_STAND_IN_MAX_BYTES
    if file is not None and not is_stand_in:
        raise InvalidRequest(
            f"{verb} needs a video of this library: send its id as video[id], and no file.",
            param="video",
            code="unsupported_file",
        )
    return fields


def check_video_id(video_id: str) -> str:
    """Return the video id of a path.

    Raises:
        NotFound: no video can have this id.
    """
    if not re.fullmatch(_VIDEO_ID, video_id):
        raise NotFound("There is no video with this id.")
    return video_id


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
        raise _explain(error, fields) from error


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
        param = _cut(error.param) if error.param else None
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


def _explain(error: ValidationError, fields: Mapping[str, object]) -> InvalidRequest:
    """Turn the first error into one sentence, without the value, which may be a prompt."""
    problem = find_problem(error)
    location, within = problem["loc"], ""
    context = problem.get("ctx", {})
    if isinstance(unwritable := context.get("error"), UnwritableTextError):
        param = _cut(write_path((*location, *unwritable.path))) or None
        return InvalidRequest(f"{param or 'The body'}: {unwritable.reason}.", param=param, code="invalid_value")
    edits = fields.get("edits")
    if len(location) > 1 and location[0] == "edits" and isinstance(edits, dict):
        location, within, fields = location[1:], "edits.", edits
    # A name and a platform come from the caller, and may be as long as the body.
    param = _cut(f"{within}{_name_field(location)}") or None
    rule = tell_rule(problem)[:400]
    if problem["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        rule = f"platform: {rule}"
    subject = param
    if location[-1:] == (_KEY,):
        subject, rule = _cut(f"{within}{_name_field(location[:-2])}"), f"a name in it {rule}"
    code = _CODES.get(problem["type"], "invalid_value")
    if len(location) >= _TARGET_DEPTH and location[0] == "publish":
        field = _cut(_name_field(location[_TARGET_DEPTH:]))
        # A rule about a whole target names its field itself, as does a rule about several fields.
        rule = rule if not field or _NAMED_RULE.match(rule) else f"{field}: {rule}"
        target = _name_refused(location, fields["publish"])
        return InvalidRequest(f"{within}{target}: {rule}.", param=param, code=code)
    return InvalidRequest(f"{subject or 'The body'}: {rule}.", param=param, code=code)


def _cut(name: str) -> str:
    # Cut the caller's text to a readable length, and remove characters that a reply cannot hold.
    return name[:80].encode("utf-8", "replace").decode()


# By error type.
_CODES = MappingProxyType(
    {
        "missing": "missing_required_parameter",
        "union_tag_not_found": "missing_required_parameter",
        "extra_forbidden": "unknown_parameter",
    }
)
_KEY = "[key]"  # Pydantic's suffix for a name that is itself invalid
_TARGET_DEPTH = 3  # publish, the index, the platform
_NAMED_RULE = re.compile(r"[a-z_]+: ")


def _name_refused(location: Path, publish: object) -> str:
    """Name a refused target, with its account, unless the account is the error."""
    _, index, platform, *_ = location
    targets = _parse_json_text(publish)
    target = targets[index] if isinstance(targets, list) and isinstance(index, int) else None
    account = target.get("account_id") if isinstance(target, dict) else None
    if isinstance(account, str) and re.fullmatch(ACCOUNT_ID, account):
        return name_target(index, platform, account)
    return f"publish[{index}] ({platform})"


def name_target(index: int | str, platform: int | str, account_id: str) -> str:
    """Name a target of a request for people."""
    return f"publish[{index}] ({platform} account {account_id})"


def _name_field(location: Path) -> str:
    """Write Pydantic's error location as callers know it, without the union's tag."""
    is_target = len(location) >= _TARGET_DEPTH and location[0] == "publish"
    path = (*location[:2], *location[_TARGET_DEPTH:]) if is_target else location
    return write_path(tuple(part for part in path if part != _KEY))
