"""Our webhooks on the wire: the event in the queue, and the signed request to the owner's receiver.

The event is OpenAI's (https://platform.openai.com/docs/guides/webhooks). The signature is that of Standard Webhooks
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Literal

from pydantic import AliasPath, BaseModel, ConfigDict, Field, Json

from mediaposter.domain.errors import ConfigurationError
from mediaposter.events import AnyEvent, BatchEvent, BudgetEvent, QueuedKind, VideoEvent

# Each owner knows one secret derived from this key; guessing the key from it would reveal every owner's secret.
SIGNING_KEY_CHARACTERS_MIN = 32

_SECRET_PREFIX = "whsec_"  # noqa: S105 (what every secret begins with, no secret)


class _Announcement(BaseModel):
    """An event as EventBridge passes it on."""

    detail: QueuedKind


class QueuedEvent(BaseModel):
    """An event as Lambda hands it over from the queue."""

    # An error must not repeat the unreadable value: the URL may hold a secret.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    message_id: str = Field(alias="messageId")
    receipt_handle: str = Field(alias="receiptHandle")
    # Counts this try too.
    tries: int = Field(validation_alias=AliasPath("attributes", "ApproximateReceiveCount"), ge=1)
    body: Json[_Announcement]

    @property
    def event(self) -> QueuedKind:
        return self.body.detail


class EventError(BaseModel):
    """Why a video, a post or a batch failed; the API gives the message to a caller with a key."""

    model_config = ConfigDict(frozen=True)

    code: str


class VideoData(BaseModel):
    """The video of an event; a client retrieves the rest.

    `expires_at` is the end of its approval, and `approval_url` the page for it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    expires_at: int | None = None
    approval_url: str | None = None
    error: EventError | None = None


class PostData(BaseModel):
    """The post of an event, and its video."""

    model_config = ConfigDict(frozen=True)

    video_id: str
    platform: str
    account_id: str
    url: str | None = None
    error: EventError | None = None


class BatchData(BaseModel):
    """The batch of an event, and the number of its rows by result."""

    model_config = ConfigDict(frozen=True)

    id: str
    rows: int
    completed: int
    failed: int
    refused: int
    error: EventError | None = None


class BudgetData(BaseModel):
    """The limit of an event, most of which is used; amounts are dollars as text.

    `scope` is whose limit it is, `period` what it is for, and `period_name` which day or month. `renews_at` is in
    seconds since 1970.
    """

    model_config = ConfigDict(frozen=True)

    scope: Literal["key", "stack"]
    period: Literal["day", "month"]
    period_name: str
    limit_usd: str
    used_usd: str
    renews_at: int


class EventObject(BaseModel):
    """An event as OpenAI sends them. `created_at` is in seconds since 1970."""

    model_config = ConfigDict(frozen=True)

    id: str
    object: Literal["event"] = "event"
    type: str
    created_at: int
    data: VideoData | PostData | BatchData | BudgetData


def present_event(event: AnyEvent) -> EventObject:
    """Write an event for its receiver."""
    return EventObject(
        id=event.id, type=event.type, created_at=int(event.occurred_at.timestamp()), data=_present_data(event)
    )


def _present_data(event: AnyEvent) -> VideoData | PostData | BatchData | BudgetData:
    if isinstance(event, BudgetEvent):
        return BudgetData(
            scope=event.scope,
            period=event.period,
            period_name=event.period_name,
            limit_usd=event.limit_usd,
            used_usd=event.used_usd,
            renews_at=int(event.renews_at.timestamp()),
        )
    error = EventError(code=event.error_code) if event.error_code else None
    if isinstance(event, BatchEvent):
        return BatchData(
            id=event.batch_id,
            rows=event.rows,
            completed=event.completed,
            failed=event.failed,
            refused=event.refused,
            error=error,
        )
    if isinstance(event, VideoEvent):
        return VideoData(
            id=event.video_id,
            expires_at=int(event.expires_at.timestamp()) if event.expires_at else None,
            approval_url=event.approval_url,
            error=error,
        )
    return PostData(
        video_id=event.video_id,
        platform=event.platform,
        account_id=event.account_id,
        url=event.url,
        error=error,
    )


def derive_webhook_secret(master: str, owner: str) -> str:
    """Derive the signing secret of an owner from the stack's signing key; the secret is never stored.

    Raises:
        ConfigurationError: the key is too short to be safe.
    """
    if len(master) < SIGNING_KEY_CHARACTERS_MIN:
        raise ConfigurationError(
            f"The secret webhook-signing-key has fewer than {SIGNING_KEY_CHARACTERS_MIN} characters: put a random one, "
            "as `openssl rand -base64 32` makes it. The secret of every owner changes with it."
        )
    key = hmac.digest(master.encode(), f"webhooks of {owner}".encode(), hashlib.sha256)
    return f"{_SECRET_PREFIX}{base64.b64encode(key).decode()}"


def sign_webhook(webhook_id: str, content: bytes, *, secret: str, now: datetime) -> dict[str, str]:
    """Return the headers by which a receiver verifies the sender and the time of a body."""
    timestamp = str(int(now.timestamp()))
    key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX))
    signature = hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + content, hashlib.sha256)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
