"""Tell the stack's bus what happened."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mediaposter.domain.errors import ErrorCode, MediaPosterError

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "mediaposter"
PostEventType = Literal["post.published", "post.failed", "post.in_doubt"]


class _AboutVideo(BaseModel):
    """Something about a video."""

    video_id: str

    @property
    def subject(self) -> str:
        """Name what it is about, for a log."""
        return self.video_id


class _Event(BaseModel):
    """Something that happened, delivered at least once: its id tells repeats apart.

    `occurred_at` is when the record came to say so; `webhook_url` is where the owner wants to be told.
    """

    # It is read back out of a queue, where it may wait while another version is deployed: a field more does no harm.
    # An error over what cannot be read does not repeat it: the URL may hold a secret.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    owner: str
    occurred_at: AwareDatetime
    webhook_url: str | None = None


class VideoEvent(_Event, _AboutVideo):
    """What happened to a video; `expires_at` is until when one may be approved."""

    type: Literal["video.completed", "video.failed", "video.awaiting_approval"]
    expires_at: AwareDatetime | None = None
    error_code: ErrorCode | None = None

    @property
    def id(self) -> str:
        """Give its id, the same each time it is told; a video ends once."""
        return _derive_id(self.type, self.video_id)


class PostEvent(_Event, _AboutVideo):
    """How a post of a video ended, or that a person is to look: it is in doubt whether it is public.

    `url` is that of the public post, if the network tells it.
    """

    type: PostEventType
    platform: str
    account_id: str
    url: str | None = None
    error_code: ErrorCode | None = None

    @property
    def id(self) -> str:
        """Give its id, the same each time it is told; a post may be made again and end again."""
        return _derive_id(self.type, self.video_id, self.platform, self.account_id, self.occurred_at.isoformat())


class BatchEvent(_Event):
    """How a batch ended, and what became of its rows: a refused one became no video."""

    type: Literal["batch.completed", "batch.failed", "batch.cancelled"]
    batch_id: str
    rows: int
    completed: int
    failed: int
    refused: int
    error_code: str | None = None

    @property
    def id(self) -> str:
        """Give its id, the same each time it is told; a batch ends once."""
        return _derive_id(self.type, self.batch_id)

    @property
    def subject(self) -> str:
        """Name what it is about, for a log."""
        return self.batch_id


AnyEvent = Annotated[VideoEvent | PostEvent | BatchEvent, Field(discriminator="type")]


class _Answer(BaseModel):
    """What became of a request: `request_id` is the id of the event that it came as, if it did.

    `correlation_id` is what the one who asked said to know the answer by. It goes to the bus, and to no webhook.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    request_id: str | None = None
    correlation_id: str | None = None
    owner: str
    occurred_at: AwareDatetime

    @property
    def subject(self) -> str:
        """Name what it is about, for a log."""
        return f"the request {self.request_id}"


class VideoQueued(_Answer):
    """A request became a video, which is recorded, and is started when its provider has a slot for it."""

    type: Literal["video.queued"] = "video.queued"
    video_id: str
    batch_id: str | None = None


class VideoRejected(_Answer):
    """A request cannot be done: the message says why, and `error_param` names the field. Nothing was recorded."""

    type: Literal["video.rejected"] = "video.rejected"
    error_code: str
    error_message: str
    error_param: str | None = None


AnyAnswer = VideoQueued | VideoRejected


class SeriesExhausted(BaseModel):
    """A turn of a series found no row that waits: all were taken. `scheduled_at` is when the turn was due.

    It goes to the bus, and to no webhook. Each turn says so until the series gets another sheet.
    """

    model_config = ConfigDict(frozen=True)

    type: Literal["series.exhausted"] = "series.exhausted"
    series: str
    owner: str
    scheduled_at: AwareDatetime
    occurred_at: AwareDatetime

    @property
    def subject(self) -> str:
        """Name what it is about, for a log."""
        return f"the series {self.series}"


class EventNotSent(MediaPosterError):
    """The bus did not take an event."""


class EventBus:
    """The bus of the stack."""

    def __init__(self, client: EventBridgeClient, name: str) -> None:
        self._client = client
        self._name = name

    def send(self, event: AnyEvent | AnyAnswer | SeriesExhausted) -> None:
        """Put an event on the bus.

        Raises:
            EventNotSent: the bus refused it; the step may be repeated.
        """
        answer = self._client.put_events(
            Entries=[
                {
                    "EventBusName": self._name,
                    "Source": SOURCE,
                    "DetailType": event.type,
                    "Detail": event.model_dump_json(exclude_none=True),
                }
            ]
        )
        if answer["FailedEntryCount"]:
            raise EventNotSent(f"{event.type} of {event.subject}: {answer['Entries'][0].get('ErrorCode')}")


def _derive_id(*facts: str) -> str:
    return f"evt_{hashlib.sha256('#'.join(facts).encode()).hexdigest()[:32]}"
