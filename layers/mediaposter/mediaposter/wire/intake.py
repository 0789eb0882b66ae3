"""Requests that come without HTTP: files in the bucket, events on the stack's bus, and the turns of series.

All arrive in one queue, as EventBridge and its Scheduler pass them on (Amazon S3 user guide, "EventBridge event message
structure").
"""

from __future__ import annotations

import json
import math
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from mediaposter.domain.errors import InvalidRequest
from mediaposter.domain.text import refuse_unwritable
from mediaposter.stores.inbox import INBOX, OUTBOX, InboxFile
from mediaposter.stores.series import SeriesName
from mediaposter.wire.errors import ErrorDetail
from mediaposter.wire.json_text import NUMBER_DIGITS_MAX
from mediaposter.wire.pictures import PICTURE_MAX_BYTES, UploadedPicture
from mediaposter.wire.records import decode_text, drop_bom
from mediaposter.wire.requests import CreateVideoRequest, parse_json_object, validate_fields
from mediaposter.wire.video_object import VideoObject

# A picture lies beside its request, not within it.
DROPPED_REQUEST_MAX_BYTES = 256 * 1024
CORRELATION_ID_MAX_CHARACTERS = 256
# What a dropped request says as its `input_reference` when its picture may come after it.
PICTURE_IN_INBOX = "inbox"
PICTURE_EXTENSIONS = ("png", "jpg", "jpeg", "webp")

# In a CSV its header tells what stands between the cells: it may be tabs.
BATCH_EXTENSIONS = ("jsonl", "csv", "tsv")

_REQUEST_EXTENSION = "json"


class _Notice(BaseModel):
    # An error over what cannot be read must not repeat it: it may be a prompt.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class _Object(_Notice):
    key: str
    version_id: str | None = Field(default=None, alias="version-id")


class _ObjectDetail(_Notice):
    object: _Object


class FileDropped(_Notice):
    """S3 tells of a new object; its key is not encoded. At least once, and in any order."""

    detail_type: Literal["Object Created"] = Field(alias="detail-type")
    source: Literal["aws.s3"]
    detail: _ObjectDetail


class VideoRequested(_Notice):
    """Somebody asks for a video on the bus; `id` tells repeats of one delivery apart from another request."""

    detail_type: Literal["video.requested"] = Field(alias="detail-type")
    source: str
    id: str
    detail: dict[str, JsonValue]


class _TurnDetail(_Notice):
    series: SeriesName
    scheduled_at: AwareDatetime


class ScheduleDue(_Notice):
    """The time of a series has come; `scheduled_at` tells repeats apart, and `id` the attempts of Scheduler."""

    detail_type: Literal["series.turn"] = Field(alias="detail-type")
    source: Literal["mediaposter.series"]
    id: str
    detail: _TurnDetail


def write_turn(series: str) -> str:
    """Write what Scheduler puts into the queue at each turn of a series.

    What stands in angle brackets it replaces ("Adding context attributes", EventBridge Scheduler user guide).
    """
    return json.dumps(
        {
            "detail-type": "series.turn",
            "source": "mediaposter.series",
            "id": "<aws.scheduler.execution-id>",
            "detail": {"series": series, "scheduled_at": "<aws.scheduler.scheduled-time>"},
        }
    )


AnyNotice: TypeAlias = FileDropped | VideoRequested | ScheduleDue


def _parse_notice(body: object) -> object:
    # Whatever a request says, it is to be refused with an answer, and not to be left in the queue: half a character,
    # or a number that is none.
    return json.loads(body, parse_int=_read_whole_number) if isinstance(body, str) else body


def _read_whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= NUMBER_DIGITS_MAX else math.inf


class QueuedNotice(_Notice):
    """A notice as Lambda hands it over from the queue."""

    body: Annotated[AnyNotice, Field(discriminator="detail_type"), BeforeValidator(_parse_notice)]


class FileKind(StrEnum):
    """What a dropped file is, by the end of its name."""

    REQUEST = "request"
    BATCH = "batch"
    PICTURE = "picture"
    OTHER = "other"


class FileName(NamedTuple):
    """A name in the inbox: `inbox/spring/kite.json`, and `inbox/spring/kite.png` beside it, are of `spring/kite`.

    The stem of a file of another kind is its whole name.
    """

    stem: str
    kind: FileKind

    @property
    def request_key(self) -> str:
        """Give where the request of that name lies."""
        return f"{INBOX}{self.stem}.{_REQUEST_EXTENSION}"

    @property
    def picture_keys(self) -> list[str]:
        """List where its picture may lie."""
        return [f"{INBOX}{self.stem}.{extension}" for extension in PICTURE_EXTENSIONS]

    @property
    def answer_stem(self) -> str:
        """Give what the keys of all that is laid beside it begin with."""
        return f"{OUTBOX}{self.stem}"

    @property
    def answer_key(self) -> str:
        """Give where its answer is laid."""
        return f"{self.answer_stem}.result.json"


def read_file_name(key: str) -> FileName | None:
    """Read a key, unless it is not of the inbox or is a folder's."""
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
    """A request as a file, without the picture beside it, if it may have one; `awaits_picture` if it must."""

    request: CreateVideoRequest
    awaits_picture: bool


def read_dropped_request(file: InboxFile) -> DroppedRequest:
    """Read a file with the fields of POST /videos.

    Raises:
        InvalidRequest: naming the field, or what the file is instead.
    """
    if file.content is None:
        raise InvalidRequest(
            f"The file has {file.size_bytes} bytes, and a request may have {DROPPED_REQUEST_MAX_BYTES} at most. A "
            "picture is put beside it, under the same name.",
            code="request_too_large",
        )
    fields = parse_json_object(decode_text(drop_bom(file.content), name="The file"), name="The file")
    awaits_picture = fields.get("input_reference") == PICTURE_IN_INBOX
    if awaits_picture:
        del fields["input_reference"]
    return DroppedRequest(validate_fields(CreateVideoRequest, fields), awaits_picture)


def read_dropped_picture(file: InboxFile) -> UploadedPicture:
    """Read a picture that lies beside a request.

    Raises:
        InvalidRequest: it is no whole PNG, JPEG or WebP file of sane size.
    """
    if file.content is None:
        raise InvalidRequest(
            f"The reference picture cannot be used: it has {file.size_bytes} bytes, and may have {PICTURE_MAX_BYTES} "
            "at most; send a smaller one.",
            param="input_reference",
            code="request_too_large",
        )
    return UploadedPicture.read(file.content)


class AnsweredFile(BaseModel):
    """Which version of which request is answered; of a file that is not read, its version is not told."""

    model_config = ConfigDict(frozen=True)

    key: str
    version_id: str | None


class InboxAnswer(BaseModel):
    """What is laid beside a dropped file: the video it became, as POST /videos answers it, or what is wrong with it."""

    model_config = ConfigDict(frozen=True)

    request: AnsweredFile
    video: VideoObject | None = None
    error: ErrorDetail | None = None


class _Identified(BaseModel):
    id: str


class _EarlierAnswer(BaseModel):
    """What has to be known of an answer, whichever version of this stack laid it down."""

    request: AnsweredFile
    video: _Identified | None = None
    batch: _Identified | None = None


def find_taken(answer: bytes, version_id: str) -> str | None:
    """Find the video or the batch that a version of a file became, by the answer that lies beside it."""
    try:
        earlier = _EarlierAnswer.model_validate_json(answer)
    except ValidationError:
        return None  # Somebody else wrote it, or it is damaged: it answers nothing.
    taken = earlier.video or earlier.batch
    return taken.id if taken and earlier.request.version_id == version_id else None


def read_correlation_id(detail: dict[str, JsonValue]) -> str | None:
    """Read by what the one who asks knows the answer.

    Raises:
        InvalidRequest: it is no text of sane length.
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
    """Read the detail of a `video.requested`: the fields of POST /videos beside the correlation id.

    Raises:
        InvalidRequest: naming the field and the rule.
    """
    fields: dict[str, Any] = {name: value for name, value in detail.items() if name != "correlation_id"}
    return validate_fields(CreateVideoRequest, fields)
