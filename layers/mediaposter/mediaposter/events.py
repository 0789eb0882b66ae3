"""Tell the stack's bus what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from mediaposter.errors import ErrorCode, MediaPosterError

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "mediaposter"


class VideoEvent(BaseModel):
    """What happened to a video. Delivered at least once: `video_id` and `type` tell repeats apart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["video.completed", "video.failed"]
    video_id: str
    owner: str
    error_code: ErrorCode | None = None


class EventNotSent(MediaPosterError):
    """The bus did not take an event."""


class EventBus:
    """The bus of the stack."""

    def __init__(self, client: EventBridgeClient, name: str) -> None:
        self._client = client
        self._name = name

    def send(self, event: VideoEvent) -> None:
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
            raise EventNotSent(f"{event.type} of {event.video_id}: {answer['Entries'][0].get('ErrorCode')}")
