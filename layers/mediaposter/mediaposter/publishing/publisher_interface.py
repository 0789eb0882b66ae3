"""What the pipeline needs of whoever posts for us, and the types that cross it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from mediaposter.publishing.targets import PublishTarget


class PostStatus(StrEnum):
    """Where an accepted post stands at the publisher."""

    IN_PROGRESS = "in-progress"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    FAILED = "failed"


class PostReport(BaseModel):
    """What the publisher says of one accepted post."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    submission_id: str
    status: PostStatus
    public_url: str | None = None
    error_message: str | None = None
    scheduled_time: datetime | None = None


class PublisherInterface(Protocol):
    """Posts a video; each call is made at most once."""

    def upload_stream(self, chunks: Iterator[bytes], *, size_bytes: int, filename: str) -> str:
        """Hand over the bytes of an MP4 and give the URL a post may name. Not public, so it may be repeated.

        Raises:
            PublisherError: the publisher refused it or did not answer.
        """

    def publish(self, target: PublishTarget, *, text: str, media_url: str) -> PostReport:
        """Submit one post, which may become public at once.

        Raises:
            PostUnknown: it was sent, and nobody can tell what became of it.
            PublisherError: it certainly was not accepted.
        """

    def get_post(self, submission_id: str) -> PostReport:
        """Ask how an accepted post stands. An id the publisher does not know reads as in progress for ever.

        Raises:
            PublisherError: the publisher did not answer the question.
        """
