"""The events of the stack, and the bus that they are sent to."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mediaposter.domain.channels import Channel
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

    `occurred_at` is when the record changed; `webhook_url` is the owner's receiver.
    """

    # It may wait in a queue while another version is deployed, so unknown fields are ignored.
    # A validation error must not contain the input: the URL may hold a secret.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    owner: str
    occurred_at: AwareDatetime
    webhook_url: str | None = None


class VideoEvent(_Event, _AboutVideo):
    """What happened to a video.

    `expires_at` is until when one may be approved; `approval_url` is the studio's page for that, if there is a studio.
    `round` counts the approvals of a video from the second on: it was asked about again, for other posts.
    """

    type: Literal["video.completed", "video.failed", "video.awaiting_approval"]
    expires_at: AwareDatetime | None = None
    approval_url: str | None = None
    error_code: ErrorCode | None = None
    round: int | None = None

    @property
    def id(self) -> str:
        """Give its id, the same each time it is sent; a video ends once, and is asked about once in a round."""
        return _derive_id(self.type, self.video_id, *([] if self.round is None else [str(self.round)]))


class PostEvent(_Event, _AboutVideo):
    """How a post of a video ended, or that a person must check whether it is public.

    `url` is that of the public post, if the network tells it.
    """

    type: PostEventType
    platform: str
    account_id: str
    url: str | None = None
    error_code: ErrorCode | None = None

    @property
    def id(self) -> str:
        """Give its id, the same each time it is sent; a repeated post can end again, with another id."""
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
        """Give its id, the same each time it is sent; a batch ends once."""
        return _derive_id(self.type, self.batch_id)

    @property
    def subject(self) -> str:
        """Name what it is about, for a log."""
        return self.batch_id


class BudgetEvent(_Event):
    """Most of a limit is spent, or reserved by videos that are not settled yet. It is sent once a limit and period.

    `scope` says whose limit it is: of the keys of one owner, or of all keys of the stack together, whose `owner` is
    `*`. `period_name` is a day, as 2026-12-01, or a month, as 2026-12. Amounts are dollars as text.
    """

    type: Literal["budget.warning"] = "budget.warning"
    scope: Literal["key", "stack"]
    period: Literal["day", "month"]
    period_name: str
    limit_usd: str
    used_usd: str
    renews_at: AwareDatetime

    @property
    def id(self) -> str:
        """Give its id, the same each time it is sent; another limit in the same period has another id."""
        return _derive_id(self.type, self.owner, self.period_name, self.limit_usd)

    @property
    def subject(self) -> str:
        """Name what it is about, for a log."""
        return f"{self.owner} in {self.period_name}"


class ApprovalNotice(_Event, _AboutVideo):
    """Tell the people of the stack, over one channel, that a video waits for approval.

    It is for the queue of webhooks alone, and holds no address: that is read when it is delivered. `round` is that of
    `VideoEvent`.
    """

    type: Literal["approval.notice"] = "approval.notice"
    channel: Channel
    round: int | None = None

    @property
    def id(self) -> str:
        """Give its id, the same each time it is sent."""
        return _derive_id(self.type, self.video_id, self.channel, str(self.round or 1))


AnyEvent = Annotated[VideoEvent | PostEvent | BatchEvent | BudgetEvent, Field(discriminator="type")]
# What the queue of webhooks brings.
QueuedKind = Annotated[VideoEvent | PostEvent | BatchEvent | BudgetEvent | ApprovalNotice, Field(discriminator="type")]


class _Answer(BaseModel):
    """The outcome of a request: `request_id` is the id of the event that it came in, if any.

    `correlation_id` is the sender's own id for the answer. It goes to the bus, and to no webhook.
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
    """A run of a series found no row left. `scheduled_at` is when the run was due.

    It goes to the bus, and to no webhook. Each run sends it until the series gets another sheet.
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

    def send(self, event: QueuedKind | AnyAnswer | SeriesExhausted) -> None:
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
