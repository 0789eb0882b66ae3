"""Requests without HTTP: files in the bucket, events on the stack's bus, and the runs of schedules.

EventBridge and its Scheduler put all of them into one queue (Amazon S3 user guide, "EventBridge event message
structure").
"""

from __future__ import annotations

import json
import math
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from mediaposter.domain.errors import InvalidRequest, RequestTooLarge
from mediaposter.domain.text import refuse_unwritable
from mediaposter.stores.inbox import INBOX, OUTBOX, InboxFile
from mediaposter.stores.series import SeriesName
from mediaposter.wire.bodies import parse_json_object, validate_fields
from mediaposter.wire.errors import ErrorDetail
from mediaposter.wire.json_text import NUMBER_DIGITS_MAX
from mediaposter.wire.pictures import PICTURE_MAX_BYTES, UploadedPicture
from mediaposter.wire.records import decode_text, drop_bom
from mediaposter.wire.requests import CreateVideoRequest
from mediaposter.wire.video_object import VideoObject

# How long Scheduler goes on telling of a turn; a host takes one that it missed by so much. As long as the rules in
# template.yaml: with the queue's half day not longer than a row's name is kept.
TURN_MAX_AGE_SECONDS = 43_200
# What Scheduler replaces ("Adding context attributes", EventBridge Scheduler user guide).
_ATTEMPT = "<aws.scheduler.execution-id>"
_SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
# A picture is an object next to its request, not part of it.
DROPPED_REQUEST_MAX_BYTES = 256 * 1024
CORRELATION_ID_MAX_CHARACTERS = 256
# The `input_reference` of a dropped request whose picture may come later.
PICTURE_IN_INBOX = "inbox"
PICTURE_EXTENSIONS = ("png", "jpg", "jpeg", "webp")

# The header of a CSV determines the separator, which may be a tab.
BATCH_EXTENSIONS = ("jsonl", "csv", "tsv")

_REQUEST_EXTENSION = "json"


class _Notice(BaseModel):
    # An error must not repeat the unreadable value: it may be a prompt.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class _Object(_Notice):
    key: str
    version_id: str | None = Field(default=None, alias="version-id")


class _ObjectDetail(_Notice):
    object: _Object


class FileDropped(_Notice):
    """S3's event for a new object, at least once and in any order; the key is not URL-encoded."""

    detail_type: Literal["Object Created"] = Field(alias="detail-type")
    source: Literal["aws.s3"]
    detail: _ObjectDetail


class VideoRequested(_Notice):
    """A request for a video on the bus; `id` tells a repeated delivery from another request."""

    detail_type: Literal["video.requested"] = Field(alias="detail-type")
    source: str
    id: str
    detail: dict[str, JsonValue]


class _TurnDetail(_Notice):
    series: SeriesName
    scheduled_at: AwareDatetime


class ScheduleDue(_Notice):
    """A run of a series is due; `scheduled_at` identifies the run, and `id` the attempt of Scheduler."""

    detail_type: Literal["series.turn"] = Field(alias="detail-type")
    source: Literal["mediaposter.series"]
    id: str
    detail: _TurnDetail


def write_schedule_event(series: str, *, attempt: str = _ATTEMPT, scheduled_at: str = _SCHEDULED_TIME) -> str:
    """Write the message that is put into the queue for each run of a series; by default with Scheduler's own words."""
    return json.dumps(
        {
            "detail-type": "series.turn",
            "source": "mediaposter.series",
            "id": attempt,
            "detail": {"series": series, "scheduled_at": scheduled_at},
        }
    )


AnyNotice: TypeAlias = FileDropped | VideoRequested | ScheduleDue


def _parse_notice(body: object) -> object:
    # A bad request must get an error as its result, not stay in the queue: a lone surrogate, or NaN.
    return json.loads(body, parse_int=_read_whole_number) if isinstance(body, str) else body


def _read_whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= NUMBER_DIGITS_MAX else math.inf


class QueuedNotice(_Notice):
    """A message from the queue, as Lambda passes it."""

    body: Annotated[AnyNotice, Field(discriminator="detail_type"), BeforeValidator(_parse_notice)]


class FileKind(StrEnum):
    """The kind of a dropped file, by its file extension."""

    REQUEST = "request"
    BATCH = "batch"
    PICTURE = "picture"
    OTHER = "other"


class FileName(NamedTuple):
    """A name in the inbox: `inbox/spring/kite.json` and its picture, `…/kite.png`, share the stem `spring/kite`.

    For a file of another kind, the stem is its whole name.
    """

    stem: str
    kind: FileKind

    @property
    def request_key(self) -> str:
        return f"{INBOX}{self.stem}.{_REQUEST_EXTENSION}"

    @property
    def picture_keys(self) -> list[str]:
        return [f"{INBOX}{self.stem}.{extension}" for extension in PICTURE_EXTENSIONS]

    @property
    def answer_stem(self) -> str:
        """Return the prefix of the keys of its results."""
        return f"{OUTBOX}{self.stem}"

    @property
    def answer_key(self) -> str:
        return f"{self.answer_stem}.result.json"


def read_file_name(key: str) -> FileName | None:
    """Parse a key; None if it is outside the inbox or a folder."""
    name = key.removeprefix(INBOX)
    if name == key or not name or name.endswith("/"):
        return None
    stem, dot, extension = name.rpartition(".")
    if dot and extension == _REQUEST_EXTENSION:
        return FileName(stem, FileKind.REQUEST)
    if dot and extension in BATCH_EXTENSIONS:
        return FileName(stem, FileKind.BATCH)
    if dot and extension in PICTURE_EXTENSIONS:
        return FileName(stem, FileKind.PICTURE)
    return FileName(name, FileKind.OTHER)


class DroppedRequest(NamedTuple):
    """A request from a file, without its separate picture; `awaits_picture` tells whether it must have one."""

    request: CreateVideoRequest
    awaits_picture: bool


def read_dropped_request(file: InboxFile) -> DroppedRequest:
    """Read a file with the fields of POST /videos.

    Raises:
        InvalidRequest: names the field, or what the file is instead.
    """
    if file.content is None:
        raise RequestTooLarge(
            f"The file has {file.size_bytes} bytes, and a request may have {DROPPED_REQUEST_MAX_BYTES} at most. Put a "
            "picture beside it, under the same name."
        )
    fields = parse_json_object(decode_text(drop_bom(file.content), name="The file"), name="The file")
    awaits_picture = fields.get("input_reference") == PICTURE_IN_INBOX
    if awaits_picture:
        del fields["input_reference"]
    return DroppedRequest(validate_fields(CreateVideoRequest, fields), awaits_picture)


def read_dropped_picture(file: InboxFile) -> UploadedPicture:
    """Read the separate picture of a request.

    Raises:
        InvalidRequest: it is not a complete PNG, JPEG or WebP file of a sane size.
    """
    if file.content is None:
        raise RequestTooLarge(
            f"The reference picture cannot be used: it has {file.size_bytes} bytes, and may have {PICTURE_MAX_BYTES} "
            "at most; send a smaller one.",
            param="input_reference",
        )
    return UploadedPicture.read(file.content)


class AnsweredFile(BaseModel):
    """The request, and its version, that a result is for; without a version if the file was not read."""

    model_config = ConfigDict(frozen=True)

    key: str
    version_id: str | None


class InboxAnswer(BaseModel):
    """The result object of a dropped file: its video, as POST /videos returns it, or its error."""

    model_config = ConfigDict(frozen=True)

    request: AnsweredFile
    video: VideoObject | None = None
    error: ErrorDetail | None = None


class _Identified(BaseModel):
    id: str


class _EarlierAnswer(BaseModel):
    """The part of a result object that every version of this stack writes."""

    request: AnsweredFile
    video: _Identified | None = None
    batch: _Identified | None = None


def find_taken(answer: bytes, version_id: str) -> str | None:
    """Find the video or the batch that was made from a version of a file, in its result object."""
    try:
        earlier = _EarlierAnswer.model_validate_json(answer)
    except ValidationError:
        return None  # Not our result object, or damaged: ignore it.
    taken = earlier.video or earlier.batch
    return taken.id if taken and earlier.request.version_id == version_id else None


def read_correlation_id(detail: dict[str, JsonValue]) -> str | None:
    """Read the sender's correlation id.

    Raises:
        InvalidRequest: it is not text of a sane length.
    """
    correlation_id = detail.get("correlation_id")
    rule = f"must be a text of 1 to {CORRELATION_ID_MAX_CHARACTERS} characters"
    if correlation_id is None:
        return None
    if isinstance(correlation_id, str) and 1 <= len(correlation_id) <= CORRELATION_ID_MAX_CHARACTERS:
        try:
            return refuse_unwritable(correlation_id)
        except ValueError as error:
            rule = str(error)
    raise InvalidRequest(f"correlation_id: {rule}.", param="correlation_id", code="invalid_value")


def read_requested(detail: dict[str, JsonValue]) -> CreateVideoRequest:
    """Read the detail of a `video.requested`: the fields of POST /videos, and the correlation id.

    Raises:
        InvalidRequest: names the field and the rule.
    """
    fields: dict[str, Any] = {name: value for name, value in detail.items() if name != "correlation_id"}
    return validate_fields(CreateVideoRequest, fields)
